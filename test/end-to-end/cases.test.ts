// SPDX-License-Identifier: Apache-2.0
// Runs the cases of test/cases on the local control plane: all under server-side apply, as in the manifests, and under dynamic
// apply those that depend on it.
import t from "tap";
import { type StackOptions, startStack } from "../../scripts/local/stack.ts";
import type { Case } from "../cases/case.ts";
import { APPLY_CASES, CASES } from "../cases/index.ts";
import { runCases } from "../cases/run-cases.ts";

const ENGINES = [
  { applyStrategy: "server-side-apply", token: "SoftHSM2", cases: CASES },
  // The token in memory stands in where there is no SoftHSM2: it has to do as much.
  { applyStrategy: "dynamic-apply", token: "in memory", cases: APPLY_CASES },
] as const satisfies readonly (StackOptions & { cases: readonly Case[] })[];

for (const { applyStrategy, token, cases } of ENGINES) {
  t.test(`each case passes under ${applyStrategy} with a token ${token}`, async (t) => {
    const stack = await startStack({ applyStrategy, token });
    t.teardown(() => stack.close());
    t.equal(stack.token.kind, token);
    const meant = cases.filter(({ needs }) => needs === undefined);
    const waits = { seconds: 60, quietSeconds: 8 };
    const results = await runCases(meant, { stack, applyStrategy, ...waits, say: () => {} });
    for (const { title, ok, detail } of results) t.ok(ok, `${title}: ${detail}`);
    // The last is the search for printed values.
    t.equal(results.length, meant.length + 1);
  });
}
