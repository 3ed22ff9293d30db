// SPDX-License-Identifier: Apache-2.0
// The cases of test/cases on the local control plane, under both apply strategies.
import t from "tap";
import { type StackOptions, startStack } from "../../scripts/local/stack.ts";
import { CASES } from "../cases/index.ts";
import { runCases } from "../cases/run-cases.ts";

/** The token in memory stands in where there is no SoftHSM2: it has to do as much. */
const ENGINES = [
  { applyStrategy: "server-side-apply", token: "SoftHSM2" },
  { applyStrategy: "dynamic-apply", token: "in memory" },
] as const satisfies readonly StackOptions[];
const cases = CASES.filter(({ needs }) => needs === undefined);

for (const { applyStrategy, token } of ENGINES)
  t.test(`each case passes under ${applyStrategy} with a token ${token}`, async (t) => {
    const stack = await startStack({ applyStrategy, token });
    t.teardown(() => stack.close());
    t.equal(stack.token.kind, token);
    const waits = { seconds: 30, quietSeconds: 8 };
    const results = await runCases(cases, { stack, applyStrategy, ...waits, say: () => {} });
    for (const { title, ok, detail } of results) t.ok(ok, `${title}: ${detail}`);
    // The last is the search for printed values.
    t.equal(results.length, cases.length + 1);
  });
