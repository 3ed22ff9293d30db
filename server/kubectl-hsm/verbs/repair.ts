// SPDX-License-Identifier: Apache-2.0
// `repair` removes unreadable objects and those of interrupted writes from the token, and rewrites damaged names.
import type { RepairResult } from "../../agent-api/schema.ts";
import { command } from "../arguments.ts";
import type { Context } from "../context.ts";
import { CommandFailed, type ExitName } from "../exit-codes.ts";
import { confirm } from "../input/terminal.ts";

export const repair = command({
  name: "repair",
  summary: "remove what can't be read from the token, and mend damaged names",
  operands: [],
  options: {
    "dry-run": { type: "boolean", help: "name what is wrong, and change nothing" },
    yes: { type: "boolean", short: "y", help: "do not ask; needed where there is no terminal" },
  },
  notes: [
    "An object whose value can't be read is removed where the token lets it: look with --dry-run first. docs/hsm-setup.md has the command for those that a card does not let go.",
  ],
  async run(context, { options }) {
    const dryRun = options["dry-run"];
    if (!dryRun && !options.yes && context.terminal() === undefined) {
      throw new CommandFailed("usage", "there is no terminal to ask at: --yes says that you are sure");
    }
    const agent = await context.agent("write");
    const found = await agent.repair(true);
    if (dryRun || found.results.length === 0) return report(context, found.results, dryRun);
    if (!options.yes) await confirm(context.terminal(), `Repair ${found.results.length} things?`);
    return report(context, (await agent.repair(false)).results, false);
  },
});

const PROBLEMS: Readonly<Record<RepairResult["problem"], string>> = {
  unreadable: "can't be read",
  "damaged-name": "has a damaged name",
  leftover: "has something left of a write that was cut",
};

const OUTCOMES: Readonly<Record<RepairResult["outcome"], string>> = {
  repaired: "repaired",
  "would-repair": "would be repaired",
  failed: "FAILED",
};

const report = async (
  { output }: Context,
  results: readonly RepairResult[],
  dryRun: boolean,
): Promise<ExitName> => {
  const failed = results.filter(({ outcome }) => outcome === "failed").length;
  const lines = results.map(
    ({ label, problem, outcome, message }) =>
      `${label}: ${PROBLEMS[problem]}: ${OUTCOMES[outcome]}${message === undefined ? "" : `: ${message}`}`,
  );
  const count = results.length - failed;
  const summary =
    results.length === 0
      ? "nothing is wrong"
      : `${count} ${dryRun ? "to repair (dry run)" : `repaired, ${failed} failed`}`;
  await output.result({ results, dryRun }, [...lines, summary]);
  return failed > 0 ? "partial" : "done";
};
