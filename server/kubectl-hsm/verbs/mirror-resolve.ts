// SPDX-License-Identifier: Apache-2.0
// `mirror resolve` decides which of two diverged copies of a secret stays: the mirror's or its primary's.
import { isHsmPath } from "../../../hooks/formats.ts";
import { bodyOf } from "../agent/answer.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";
import { confirm } from "../input/terminal.ts";

export const mirrorResolve = command({
  name: "mirror resolve",
  summary: "decide which of two diverged copies of a secret stays",
  operands: [{ name: "PATH", required: true }],
  options: {
    keep: {
      type: "string",
      value: "SIDE",
      help: "here (the agent that is asked), there (its primary), or the name of either",
    },
    yes: { type: "boolean", short: "y", help: "do not ask; needed where there is no terminal" },
  },
  notes: ["PATH is a whole path, as mirror diff shows it. The other copy is gone for good."],
  async run(context, { options, operands: [path = ""] }) {
    const wanted = options.keep;
    if (wanted === undefined) throw new CommandFailed("usage", "--keep is missing: here or there");
    if (!isHsmPath(path)) throw new CommandFailed("usage", "PATH must be a path, as mirror diff shows it");
    if (!options.yes && context.terminal() === undefined) {
      throw new CommandFailed("usage", "there is no terminal to ask at: --yes says that you are sure");
    }
    const agent = await context.agent("write");
    const { device, primary } = await agent.diverged();
    const keep = sideOf(wanted, device, primary);
    if (!options.yes) {
      const [kept, lost] = keep === "here" ? [device, primary] : [primary, device];
      await confirm(context.terminal(), `Keep ${path} as ${kept} has it, and drop the copy of ${lost}?`);
    }
    const done = bodyOf(await agent.resolve(path, keep), path);
    const left = done.diverged === 0 ? "nothing is diverged any more" : `${done.diverged} diverged still`;
    const from = keep === "here" ? device : (primary ?? "the primary");
    await context.output.result(done, [`${path} is as ${from} has it; ${left}`]);
    return "done";
  },
});

const sideOf = (wanted: string, device: string, primary: string | null): "here" | "there" => {
  if (wanted === "here" || wanted === device) return "here";
  if (wanted === "there" || wanted === primary) return "there";
  throw new CommandFailed(
    "usage",
    `--keep must be here (${device}), there (${primary ?? "no primary"}), or one of these names`,
  );
};
