// SPDX-License-Identifier: Apache-2.0
// `mirror diff` shows what a mirror holds in a way that its primary does not know of: keys and sizes, no values.
import type { DivergedBody } from "../../agent-api/mirror-schema.ts";
import { command } from "../arguments.ts";
import { table } from "../output.ts";

export const mirrorDiff = command({
  name: "mirror diff",
  summary: "show the secrets of a mirror that differ from its primary's and are kept",
  operands: [],
  options: {},
  notes: [
    "HERE is the copy of the agent that is asked, THERE the primary's: keys, bytes, and epoch and version of the last write.",
    "kubectl hsm mirror resolve decides which one stays.",
  ],
  async run(context) {
    const found = await (await context.agent("read")).diverged();
    await context.output.result(found, linesOf(found));
    return "done";
  },
});

type Side = DivergedBody["diverged"][number]["here"];

const shown = (side: Side): string => {
  if (side === null) return "nothing";
  const { keys, bytes, epoch, version } = side;
  return `${keys.join(",")} (${bytes} bytes, ${epoch}.${version})`;
};

const linesOf = ({ device, primary, diverged }: DivergedBody): string[] =>
  diverged.length === 0
    ? [`${device} holds nothing that its primary does not know of`]
    : table(
        ["PATH", `HERE (${device})`, `THERE (${primary ?? "no primary"})`],
        diverged.map(({ path, here, there }) => [path, shown(here), shown(there)]),
      );
