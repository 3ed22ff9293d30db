// SPDX-License-Identifier: Apache-2.0
// Describes the machine that figures are of.
import { arch, availableParallelism, cpus, release, totalmem, type } from "node:os";

export interface Machine {
  readonly processor: string;
  /** That this process may use. */
  readonly processors: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
}

export const thisMachine = (): Machine => ({
  processor: `${cpus()[0]?.model ?? "unknown"}, ${arch()}`,
  processors: availableParallelism(),
  memoryGib: Math.round((10 * totalmem()) / 2 ** 30) / 10,
  kernel: `${type()} ${release()}`,
  node: process.version,
});

/** In a line. */
export const told = ({ processor, processors, memoryGib, kernel, node }: Machine): string =>
  `${processors} processor${processors === 1 ? "" : "s"} (${processor}), ${memoryGib} GiB of memory, ${kernel}, Node.js ${node.replace(/^v/, "")}`;
