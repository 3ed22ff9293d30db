// SPDX-License-Identifier: Apache-2.0
// Tests the tour of `npm start -- --once`: each step passes, and fails where Keyswitch does not work. The token in memory is
// that of cases.test.ts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import t from "tap";
import { startStack } from "../../scripts/local/stack.ts";
import { runSteps, TOUR_STEPS, tableOf } from "../../scripts/tour.ts";
import { SET_STEPS } from "../../scripts/tour-set.ts";
import { stepsOf } from "../../scripts/tour-steps.ts";

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
  t.match(shown, `All ${TOUR_STEPS + SET_STEPS} steps passed.`);
  t.match(shown, "SoftHSM2");
});

t.test("without a webhook a step of the tour fails, and its table says so", async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  await stack.stop("webhook");
  const results = await runSteps(stepsOf(stack, 0.2).slice(0, 1), () => {});
  t.match(results[0], { ok: false, detail: /does not/ });
  t.match(tableOf(results), /a secret on the token becomes a Secret.*FAILED/);
});
