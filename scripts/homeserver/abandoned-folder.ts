// SPDX-License-Identifier: Apache-2.0
// Removes a folder when the process that created it is gone, however that ended.
import { spawn } from "node:child_process";

/** Who writes there may end a moment later than the process, and make a file where the folder was just emptied. */
const REMOVE = 'read -r _ || for pause in 0.1 1 10; do rm -rf -- "$1" && break; sleep "$pause"; done';

export type FolderGuard = {
  /** Lets go of the folder without removing it. */
  release(): void;
};

/**
 * Watches over `folder` from a process of its own, whose standard input ends when this process does. It is in a session
 * of its own, so that a Ctrl-C in the terminal does not end it first.
 */
export const removeWhenAbandoned = (folder: string): FolderGuard => {
  const guard = spawn("sh", ["-c", REMOVE, "sh", folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  const { stdin } = guard;
  // A pipe is a socket in Node, but its type does not say that it can be left out of what keeps a process alive.
  if ("unref" in stdin && typeof stdin.unref === "function") stdin.unref();
  stdin.on("error", () => {});
  return { release: () => void stdin.end("done\n") };
};
