// SPDX-License-Identifier: Apache-2.0
// Counts what processes have open: what is never closed shows there before it shows in memory.
import { readdirSync, readlinkSync } from "node:fs";

/** Of Linux, proc_pid_fd(5): sockets, and whatever else has a file descriptor. */
export interface OpenFiles {
  readonly sockets: number;
  readonly files: number;
}

const targetOf = (link: string): string | undefined => {
  try {
    return readlinkSync(link);
  } catch {
    // It was closed meanwhile.
    return undefined;
  }
};

/** Of these processes together. */
export const openFilesOf = (pids: readonly number[]): OpenFiles => {
  const targets = pids
    .flatMap((pid) => readdirSync(`/proc/${pid}/fd`).map((name) => targetOf(`/proc/${pid}/fd/${name}`)))
    .filter((target) => target !== undefined);
  const sockets = targets.filter((target) => target.startsWith("socket:")).length;
  return { sockets, files: targets.length - sockets };
};
