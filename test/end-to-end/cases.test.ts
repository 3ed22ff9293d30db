// SPDX-License-Identifier: Apache-2.0
// The cases of test/cases on the local control plane, under both apply strategies.
import t from "tap";
import type { ApplyStrategy } from "../../scripts/local/control-plane.ts";
import { startStack } from "../../scripts/local/stack.ts";
import { CASES } from "../cases/index.ts";
import { runCases } from "../cases/run-cases.ts";

const STRATEGIES: readonly ApplyStrategy[] = ["server-side-apply", "dynamic-apply"];
const cases = CASES.filter(({ needs }) => needs === undefined);

for (const applyStrategy of STRATEGIES)
  t.test(`each case passes under ${applyStrategy}`, async (t) => {
    const stack = await startStack({ applyStrategy });
    t.teardown(() => stack.close());
    const results = await runCases(cases, { stack, applyStrategy, seconds: 30, say: () => {} });
    for (const { title, ok, detail } of results) t.ok(ok, `${title}: ${detail}`);
    // The last is the search for printed values.
    t.equal(results.length, cases.length + 1);
  });
