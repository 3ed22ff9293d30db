// SPDX-License-Identifier: Apache-2.0
// The tour of `npm start -- --once`, step by step, and that it fails where Keyswitch does not work.
import t from "tap";
import { startStack } from "../../scripts/local/stack.ts";
import { runTour, TOUR_STEPS, tableOf } from "../../scripts/tour.ts";

for (const token of ["SoftHSM2", "in memory"] as const) {
  t.test(`every step of the tour passes on the whole stack, token ${token}`, async (t) => {
    const stack = await startStack({ token });
    t.teardown(() => stack.close());
    t.equal(stack.token.kind, token);
    const results = await runTour(stack, () => {});
    for (const { title, ok, detail } of results) t.ok(ok, `${title}: ${detail}`);
    t.equal(results.length, TOUR_STEPS);
  });
}

t.test("without a webhook the tour fails, and says so in its table", async (t) => {
  const stack = await startStack();
  t.teardown(() => stack.close());
  await stack.stop("webhook");
  const results = await runTour(stack, () => {}, 0.2);
  t.match(results[0], { ok: false, detail: /does not/ });
  t.match(tableOf(results), /a secret on the token becomes a Secret.*FAILED/);
});
