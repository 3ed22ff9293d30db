// SPDX-License-Identifier: Apache-2.0
// Runs the common part of create and update once their input is checked: show the diff, confirm, write, report.
import type { SecretMetadata, WriteBody } from "../agent-api/schema.ts";
import { type Answer, bodyOf } from "./agent/answer.ts";
import type { Context } from "./context.ts";
import { diff, diffLines, hasChanges } from "./diff.ts";
import type { ExitName } from "./exit-codes.ts";
import { confirm } from "./input/terminal.ts";
import type { OptionSpecs } from "./option-spec.ts";

export const WRITE_OPTIONS = {
  path: { type: "boolean", help: "NAME is a whole path, not one below secrets/NAMESPACE/" },
  diff: {
    type: "boolean",
    help: "show which keys change and their sizes, never a value; then ask",
  },
  "dry-run": { type: "boolean", help: "check and compare, and write nothing" },
  yes: { type: "boolean", short: "y", help: "with --diff: do not ask" },
} as const satisfies OptionSpecs;

export type PlannedWrite = {
  path: string;
  /** What is there now; undefined is nothing. */
  before: { data: ReadonlyMap<string, Uint8Array>; checksum: string } | undefined;
  /** What shall be there. */
  after: ReadonlyMap<string, Uint8Array>;
  /** Which of description and labels are set. */
  metadata: SecretMetadata | undefined;
};

/** What the write would change, and how that reads. */
const comparisonOf = ({ before, after, metadata }: PlannedWrite) => {
  const changes = diff(before?.data ?? new Map(), after);
  const different = hasChanges(changes) || metadata !== undefined;
  const fields = Object.keys(metadata ?? {}).map((field) => `  ${field} is set`);
  return {
    changes,
    different,
    outcome: before === undefined ? "created" : different ? "changed" : "unchanged",
    lines: [...diffLines(changes), ...fields],
  };
};

/** --diff and --dry-run. True: it shall be written, under the condition that it still is what was shown. */
export const showPlan = async (
  context: Context,
  options: { diff: boolean; "dry-run": boolean; yes: boolean },
  plan: PlannedWrite,
): Promise<{ write: true } | { write: false; exit: ExitName }> => {
  const { path, after } = plan;
  const { changes, different, outcome, lines } = comparisonOf(plan);
  if (options["dry-run"]) {
    const shown = options.diff ? { changes } : { keys: [...after.keys()].sort() };
    await context.output.result({ path, outcome, dryRun: true, ...shown }, [
      `${path} would be ${outcome} (dry run)`,
      ...(options.diff ? lines : []),
    ]);
    return { write: false, exit: options.diff && different ? "different" : "done" };
  }
  if (!different) {
    await context.output.result({ path, outcome, changes }, [`${path} is unchanged`]);
    return { write: false, exit: "done" };
  }
  for (const line of [`${path} will be ${outcome}`, ...lines]) await context.output.note(line);
  if (!options.yes) await confirm(context.terminal(), "Write it?");
  return { write: true };
};

/** Says what a write came to. @throws CommandFailed where the agent refused it. */
export const reportWrite = async (
  context: Context,
  path: string,
  answer: Answer<WriteBody>,
): Promise<ExitName> => {
  const body = bodyOf(answer, path);
  const { outcome, checksum, keys, version, device } = body;
  await context.output.result({ path, outcome, checksum, keys: [...keys].sort(), version, device }, [
    `${path} ${outcome} on ${device}: ${[...keys].sort().join(", ")}`,
  ]);
  return "done";
};
