// SPDX-License-Identifier: Apache-2.0
// `repack` migrates secrets to another storage layout. One that is interrupted resumes when it is run again.
import type { Layout } from "../../agent-api/schema.ts";
import { command } from "../arguments.ts";
import { batchesOf, reportOutcomes, sendBatches } from "../batches.ts";
import { CommandFailed } from "../exit-codes.ts";
import { confirm } from "../input/terminal.ts";

export const repack = command({
  name: "repack",
  summary: "move secrets to the other storage layout",
  operands: [{ name: "NAME", required: false, many: true, completes: "secret" }],
  options: {
    layout: {
      type: "string",
      value: "LAYOUT",
      choices: ["packed", "per-key"],
      help: "packed or per-key (default: the agent's STORAGE_LAYOUT)",
    },
    "all-namespaces": { type: "boolean", short: "A", help: "everything on the token" },
    path: { type: "boolean", help: "NAMEs are whole paths, not ones below secrets/NAMESPACE/" },
    "dry-run": { type: "boolean", help: "say what would be moved, and move nothing" },
    yes: { type: "boolean", short: "y", help: "do not ask; needed where there is no terminal" },
  },
  notes: [
    "Without NAME, every secret of the namespace. What has the layout already is skipped, so that it can be run again.",
  ],
  async run(context, { options, operands }) {
    const everything = options["all-namespaces"];
    if (everything && operands.length > 0) throw new CommandFailed("usage", "NAME and -A exclude each other");
    if (options.path && operands.length === 0) throw new CommandFailed("usage", "--path needs a NAME");
    if (!options["dry-run"] && !options.yes && context.terminal() === undefined) {
      throw new CommandFailed("usage", "there is no terminal to ask at: --yes says that you are sure");
    }
    const named = await Promise.all(operands.map((name) => context.pathOf(name, options.path)));
    const prefix = everything || options.path ? "" : `secrets/${await context.namespace()}/`;
    const agent = await context.agent("write");
    const listed = await agent.list(prefix);
    const missing = named.filter((path) => !listed.some((row) => row.path === path));
    if (missing.length > 0) throw new CommandFailed("absent", `there is nothing at ${missing.join(", ")}`);
    const chosen = named.length > 0 ? listed.filter(({ path }) => named.includes(path)) : listed;
    const wanted: Layout = layoutOf(options.layout) ?? (await agent.info()).layout;
    const todo = chosen.filter(({ layout }) => layout !== wanted);
    const unchanged = chosen
      .filter(({ layout }) => layout === wanted)
      .map(({ path }) => ({ path, outcome: "unchanged" }));
    const shown = ["repacked", "unchanged", "failed"];
    if (options["dry-run"]) {
      return reportOutcomes(
        context,
        [...todo.map(({ path }) => ({ path, outcome: "repacked" })), ...unchanged].sort(byPath),
        shown,
        { dryRun: true },
      );
    }
    if (todo.length > 0 && !options.yes) {
      await confirm(context.terminal(), `Move ${todo.length} secrets to the layout ${wanted}?`);
    }
    const batches = batchesOf(todo, ({ bytes }) => bytes);
    const { outcomes, stopped } = await sendBatches(context, batches, "repacked", (batch) =>
      agent.repack(
        batch.map(({ path }) => path),
        wanted,
      ),
    );
    const exit = await reportOutcomes(context, [...outcomes, ...unchanged].sort(byPath), shown, { stopped });
    if (exit !== "done") await context.output.note("Run it again to go on: what is moved stays moved.");
    return exit;
  },
});

const layoutOf = (text: string | undefined): Layout | undefined =>
  text === "packed" || text === "per-key" ? text : undefined;

const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1);
