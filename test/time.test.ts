// SPDX-License-Identifier: Apache-2.0
// Tests that work within a time gets a signal for just as long, and that nothing is left of it afterwards.
import t from "tap";
import { withinTime } from "../server/time.ts";

t.test("work that is done in time is never told that it is late", async (t) => {
  const signals: AbortSignal[] = [];
  const answer = await withinTime(5, async (signal) => {
    signals.push(signal);
    return "done";
  });
  t.equal(answer, "done");
  await withinTime(60_000, () => new Promise((resolve) => setTimeout(resolve, 30)));
  t.notOk(signals[0]?.aborted, "its timer has gone");
});

t.test("work that is late is told so, as by AbortSignal.timeout", async (t) => {
  const late = withinTime(
    0.1,
    (signal) =>
      new Promise((_, reject) => {
        // Keeps the process running, which the timer of the work does not.
        const never = setTimeout(() => reject(new Error("it was not told")), 5000);
        signal.addEventListener("abort", () => {
          clearTimeout(never);
          reject(signal.reason);
        });
      }),
  );
  await t.rejects(late, { name: "TimeoutError" });
});

t.test("what fails, fails as it did", async (t) => {
  await t.rejects(
    withinTime(1000, () => Promise.reject(new Error("of its own"))),
    { message: "of its own" },
  );
});
