// SPDX-License-Identifier: Apache-2.0
// Finds damaged objects on the token, and repairs those that the token lets it. Runs in the child.
import type { RepairResult } from "../../../agent-api/schema.ts";
import { listedPathOf, pathsOf } from "../../storage/secret.ts";
import type { Answer } from "../answers.ts";
import { isSessionOver } from "../ckr.ts";
import type { IndexedObject } from "./label-index.ts";
import { CkrError } from "./module-calls.ts";
import type { WriterView } from "./object-writes.ts";

type RepairSteps = {
  tidy: (path: string) => Promise<Answer>;
  remove: (objects: readonly IndexedObject[]) => Promise<void>;
  dryRun: boolean;
};

const STUCK =
  "its value can't be read, and the module can't remove it. docs/hsm-setup.md, \"An object that can't be read\", has the command that does";

/** Removes one object whose value can't be read; says so where the token does not let it. */
const removeUnreadable = async (
  object: IndexedObject,
  remove: RepairSteps["remove"],
): Promise<RepairResult> => {
  const { label } = object;
  try {
    await remove([object]);
    return { label, problem: "unreadable", outcome: "repaired" };
  } catch (error) {
    if (!(error instanceof CkrError) || isSessionOver(error.value)) throw error;
    return { label, problem: "unreadable", outcome: "failed", message: STUCK };
  }
};

const repairAll = async (view: WriterView, { tidy, remove }: RepairSteps): Promise<RepairResult[]> => {
  const results: RepairResult[] = [];
  for (const object of view.unreadable()) {
    const result = await removeUnreadable(object, remove);
    results.push(result);
    // A journal that only told of this object has nothing to tell any more.
    if (result.outcome === "repaired") for (const path of pathsOf(object)) await tidy(path);
  }
  for (const path of view.unsettled()) {
    await tidy(path);
    const outcome = view.unsettled().includes(path) ? "failed" : "repaired";
    results.push({ label: path, problem: "leftover", outcome });
  }
  return results;
};

/**
 * Unreadable objects and leftovers, removed or, with `dryRun`, only named; and the secrets with damaged names, which the agent
 * writes anew.
 */
export const repairToken = async (view: WriterView, steps: RepairSteps): Promise<Answer> => {
  const would = (label: string, problem: RepairResult["problem"]): RepairResult => ({
    label,
    problem,
    outcome: "would-repair",
  });
  const damaged = view.damaged().flatMap((object) => listedPathOf(object) ?? []);
  const results = steps.dryRun
    ? [
        ...view.unreadable().map(({ label }) => would(label, "unreadable")),
        ...view.unsettled().map((path) => would(path, "leftover")),
      ]
    : await repairAll(view, steps);
  return {
    kind: "repaired",
    results: [...results, ...[...new Set(damaged)].map((path) => would(path, "damaged-name"))],
  };
};
