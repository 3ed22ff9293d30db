// SPDX-License-Identifier: Apache-2.0
// The tour of `npm start -- --once`, step by step, and that it fails where Keyswitch does not work.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import t from "tap";
import { startStack } from "../../scripts/local/stack.ts";
import { runTour, TOUR_STEPS, tableOf } from "../../scripts/tour.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

t.test("npm start -- --once: every step passes on a SoftHSM2 token, and it ends with 0", async (t) => {
  const tour = spawn(process.execPath, ["scripts/start.ts", "--once"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => tour.kill());
  const ended = once(tour, "exit");
  const shown = await text(tour.stdout);
  t.same(await ended, [0, null], shown);
  t.match(shown, `All ${TOUR_STEPS} steps passed.`);
  t.match(shown, "SoftHSM2");
});

t.test("every step of the tour passes on the token in memory", async (t) => {
  const stack = await startStack({ token: "in memory" });
  t.teardown(() => stack.close());
  t.equal(stack.token.kind, "in memory");
  const results = await runTour(stack, () => {});
  for (const { title, ok, detail } of results) t.ok(ok, `${title}: ${detail}`);
  t.equal(results.length, TOUR_STEPS);
});

t.test("without a webhook the tour fails, and says so in its table", async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  await stack.stop("webhook");
  const results = await runTour(stack, () => {}, 0.2);
  t.match(results[0], { ok: false, detail: /does not/ });
  t.match(tableOf(results), /a secret on the token becomes a Secret.*FAILED/);
});
