// SPDX-License-Identifier: Apache-2.0
// Repairs the token: what one child repairs in one call, and secrets with damaged names, which are rewritten.
import type { RepairResult } from "../../../agent-api/schema.ts";
import type { ChangeResult, RepairOutcome } from "../../store.ts";
import { OUT_OF_TURN } from "./pending-calls.ts";
import type { Supervisor } from "./supervisor.ts";

/** Mends all but damaged names, or only names what is wrong; `since`: when it was asked for. */
export const repairThrough = async (
  supervisor: Pick<Supervisor, "acquire" | "whileNoneLoads">,
  since: number,
  dryRun: boolean,
): Promise<RepairOutcome> => {
  const child = await supervisor.acquire(since);
  if ("kind" in child) return child;
  const { answer } = await supervisor.whileNoneLoads(() => child.call({ type: "repair", dryRun }));
  if (answer.kind === "repaired") return { kind: "repaired", results: answer.results };
  return answer.kind === "unavailable" ? answer : OUT_OF_TURN;
};

/** What has become of each: those with damaged names have `rewrite` write their secrets anew, as any write does. */
export const rewriteDamaged = async (
  found: readonly RepairResult[],
  rewrite: (path: string) => Promise<ChangeResult>,
): Promise<RepairResult[]> => {
  const results: RepairResult[] = [];
  for (const item of found) {
    results.push(item.problem === "damaged-name" ? rewritten(item, await rewrite(item.label)) : item);
  }
  return results;
};

const rewritten = (item: RepairResult, result: ChangeResult): RepairResult => {
  if (result.kind === "written") return { ...item, outcome: "repaired" };
  const why = "message" in result ? result.message : result.kind;
  return { ...item, outcome: "failed", message: `not written anew: ${why}` };
};
