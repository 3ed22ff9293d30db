// SPDX-License-Identifier: Apache-2.0
// Ends child processes with this one, also where a signal or an error ends it in the middle.
import type { ChildProcess } from "node:child_process";

const running = new Set<ChildProcess>();

process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Has `child` killed when this process exits; not when this one is killed itself. */
export const endWithThis = (child: ChildProcess): void => {
  running.add(child);
  child.once("exit", () => running.delete(child));
};
