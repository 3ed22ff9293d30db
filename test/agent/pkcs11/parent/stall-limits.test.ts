// SPDX-License-Identifier: Apache-2.0
// Tests the time limits of a child's start, as learned from earlier starts.
import t from "tap";
import { createStallLimits } from "../../../../server/agent/pkcs11/parent/child-watch.ts";

t.test(
  "a step that was never completed gets the timeout, twice as long after each failure, up to two minutes",
  async (t) => {
    const limits = createStallLimits(10_000);
    const seen = Array.from({ length: 6 }, () => {
      const limit = limits.limit("load");
      limits.stalled("load");
      return limit;
    });
    t.same(seen, [10_000, 20_000, 40_000, 80_000, 120_000, 120_000]);
  },
);

t.test("a step that was quick is given up after ten times that, and at least a second", async (t) => {
  const limits = createStallLimits(10_000);
  limits.completed("attach", 5);
  t.equal(limits.limit("attach"), 1_000);
  limits.completed("attach", 400);
  t.equal(limits.limit("attach"), 4_000);
  limits.completed("attach", 10);
  t.equal(limits.limit("attach"), 4_000, "the longest time counts");
});

t.test("a log-in is never given up early, as that may cost a try of the PIN", async (t) => {
  const limits = createStallLimits(10_000);
  limits.completed("login", 5);
  t.equal(limits.limit("login"), 10_000);
  limits.stalled("login");
  t.equal(limits.limit("login"), 20_000);
  limits.completed("login", 3_000);
  t.equal(limits.limit("login"), 30_000);
});

t.test(
  "a quick step keeps its short limit through an outage, and gets a longer one if it never comes back",
  async (t) => {
    const limits = createStallLimits(10_000);
    limits.completed("load", 5);
    for (let failures = 0; failures < 29; failures += 1) limits.stalled("load");
    t.equal(limits.limit("load"), 1_000);
    for (let failures = 0; failures < 31; failures += 1) limits.stalled("load");
    t.equal(limits.limit("load"), 4_000);
    limits.completed("load", 3_000);
    t.equal(limits.limit("load"), 30_000, "and is judged by its new time after that");
  },
);
