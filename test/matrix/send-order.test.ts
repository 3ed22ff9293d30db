// SPDX-License-Identifier: Apache-2.0
// Tests the order of what is sent, with a clock and a limit of the homeserver that are simulated.
import t from "tap";
import { RequestFailed } from "../../server/matrix/request-failed.ts";
import { createSendOrder, type Sent, URGENCY } from "../../server/matrix/send-order.ts";
import type { Sleep } from "../../server/time.ts";
import { fakeClock } from "../doubles/clock.ts";

type Kind = keyof typeof URGENCY;

/** A homeserver that takes `burst` messages at once, and one more each `interval` milliseconds. */
const setUp = ({ burst, interval = 5000 }: { burst: number; interval?: number }) => {
  const clock = fakeClock();
  const ending = new AbortController();
  const sleep: Sleep = (ms, signal) =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve());
      clock.after(ms, resolve);
    });
  const order = createSendOrder({ now: () => clock.now(), sleep, signal: ending.signal });
  let level = 0;
  let at = clock.now();
  const taken: string[] = [];
  const running: string[] = [];
  /** How many were under way at once, by try. */
  const most: number[] = [];
  const take = async (name: string): Promise<Sent<string>> => {
    running.push(name);
    most.push(running.length);
    await Promise.resolve();
    running.splice(running.indexOf(name), 1);
    level = Math.max(0, level - (clock.now() - at) / interval);
    at = clock.now();
    if (level + 1 > burst) return { limitedFor: (level + 1 - burst) * interval };
    level += 1;
    taken.push(`${clock.now() / 1000} ${name}`);
    return { value: name };
  };
  const send = (name: string, kind: Kind = "answer", room = "!a") =>
    order.run({ room, urgency: () => URGENCY[kind], send: () => take(name) });
  return { clock, order, send, taken, take, running, most, ending };
};

t.test("without a limit all is sent at once, in its order", async (t) => {
  const { clock, send, taken } = setUp({ burst: 10 });
  void send("echo", "optional");
  void send("one");
  void send("edit", "edit");
  void send("two");
  await clock.pass(100);
  t.same(taken, ["0 echo", "0 one", "0 two", "0 edit"]);
});

t.test("one at a time in a room, rooms side by side; under a limit one at a time in all", async (t) => {
  const { clock, send, running, most } = setUp({ burst: 2, interval: 100 });
  for (const name of ["a1", "a2", "a3"]) void send(name, "answer", "!a");
  void send("b1", "answer", "!b");
  t.same(running, ["a1", "b1"]);
  await clock.pass(0);
  most.length = 0;
  const others = ["c", "d", "e"].map((name) => send(name, "answer", `!${name}`));
  await clock.pass(10_000);
  t.same(await Promise.all(others), ["c", "d", "e"]);
  t.equal(Math.max(...most), 1);
});

t.test("nothing in its room waits for an echo, which waits for all else", async (t) => {
  const { clock, send, running, taken } = setUp({ burst: 10 });
  void send("echo", "optional");
  void send("answer");
  t.same(running, ["echo", "answer"]);
  void send("late echo", "optional");
  t.same(running, ["echo", "answer"]);
  await clock.pass(0);
  t.same(taken, ["0 echo", "0 answer", "0 late echo"]);
});

t.test("after a limit: answers first, then the newest last edit; what is optional is left out", async (t) => {
  const { clock, send, taken } = setUp({ burst: 1 });
  void send("one");
  void send("two");
  await clock.pass(100);
  const echo = send("echo", "optional");
  const edits = ["older", "newer"].map((name) => send(name, "lastEdit"));
  void send("three");
  t.equal(await echo, undefined);
  await clock.pass(30_000);
  await Promise.all(edits);
  t.same(taken, ["0 one", "5 two", "10 three", "15 newer", "20 older"]);
});

t.test("an echo that meets the limit is left out, and takes no place of an answer", async (t) => {
  const { clock, send, taken } = setUp({ burst: 1 });
  void send("one");
  await clock.pass(0);
  const echo = send("echo", "optional");
  await clock.pass(0);
  t.equal(await echo, undefined);
  void send("two");
  await clock.pass(5_000);
  t.same(taken, ["0 one", "5 two"]);
});

t.test("edits that others will follow wait until the shortage is over, or for the last word", async (t) => {
  const { clock, order, send, take, taken } = setUp({ burst: 1 });
  void send("one");
  void send("two");
  let kind: Kind = "edit";
  let text = "stopping";
  void order.run({ room: "!a", urgency: () => URGENCY[kind], send: () => take(text) });
  void send("progress", "edit", "!b");
  await clock.pass(20_000);
  t.same(taken, ["0 one", "5 two"]);
  kind = "lastEdit";
  text = "off";
  void send("three", "answer", "!c");
  await clock.pass(5_000);
  t.same(taken.slice(2), ["20 three", "25 off"], "what is sent is the newest");
  await clock.pass(90_000);
  t.match(taken.slice(4), [/ progress$/], "once");
});

t.test("a failure is its own alone", async (t) => {
  const { clock, order, send, taken } = setUp({ burst: 9 });
  const failed = order.run({
    room: "!a",
    urgency: () => URGENCY.answer,
    send: () => Promise.reject(new Error("away")),
  });
  void send("next");
  await t.rejects(failed, { message: "away" });
  await clock.pass(0);
  t.same(taken, ["0 next"]);
});

t.test("at the end what waits is given up", async (t) => {
  const { clock, send, ending } = setUp({ burst: 1 });
  void send("one");
  const waiting = [send("two"), send("edit", "edit")];
  await clock.pass(100);
  ending.abort();
  for (const one of [...waiting, send("late")]) {
    const error = await one.catch((reason: unknown) => reason);
    t.ok(error instanceof RequestFailed && error.fault.kind === "aborted");
  }
});

t.test(
  "stop and start each 6 s under 0.2/s: every answer within 6 s, and each ends with its last word",
  async (t) => {
    const { clock, order, send, take, taken } = setUp({ burst: 10 });
    const late: string[] = [];
    for (let command = 0; command < 40; command += 1) {
      const at = clock.now();
      void send(`echo ${command}`, "optional");
      void send(`answer ${command}`).then(() => {
        const took = clock.now() - at;
        if (took > 5_100) late.push(`${command}: ${took}`);
        let kind: Kind = "edit";
        clock.after(1_000, () => {
          kind = "lastEdit";
        });
        const last = () => take(`${kind} ${command}`);
        void order.run({ room: "!a", urgency: () => URGENCY[kind], send: last });
      });
      await clock.pass(6_000);
    }
    t.same(late, []);
    await clock.pass(600_000);
    t.equal(
      taken.filter((one) => one.includes("lastEdit")).length +
        taken.filter((one) => / edit /.test(one)).length,
      40,
    );
  },
);
