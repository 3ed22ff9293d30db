// SPDX-License-Identifier: Apache-2.0
// Prints the figures of memory and starts.
import { say, sayTable } from "../print-table.ts";
import { type MemoryFigures, PACE } from "./memory-figures.ts";

export const reportMemory = ({
  processes,
  bareIdle,
  perSecond,
  cpuPercent,
  startMs,
}: MemoryFigures): void => {
  sayTable([
    ["resident memory, MiB", "at rest", `at ${PACE.perSecond} syncs/s`],
    ...Object.entries(processes).map(([name, { idle, paced }]) => [name, idle, paced]),
    ["bare fastify", bareIdle, ""],
  ]);
  sayTable([
    ["start to ready, ms", "least", "median"],
    ...Object.entries(startMs).map(([name, { least, median }]) => [name, least, median]),
  ]);
  say(
    `${perSecond} syncs/s were answered; of one processor they took the webhook ${cpuPercent.webhook} %, the agent ${cpuPercent.agent} %.\n`,
  );
};
