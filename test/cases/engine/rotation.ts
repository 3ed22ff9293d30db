// SPDX-License-Identifier: Apache-2.0
// Rotates credentials with scripts/credentials.sh on a stack whose pods see each change at once.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "../../../scripts/local/stack.ts";
import { runCredentials } from "../../end-to-end/rotation/credentials-script.ts";
import { podSees } from "./pod-files.ts";

/** The script waits no longer than this for Metacontroller; its longer waits are for the pods. */
const SETTLE_SECONDS = 10;

/** Brings the files of both pods up to date, and waits until they are in use. */
const podsSee = async (stack: Stack): Promise<void> => {
  for (const role of ["agent", "webhook"] as const) await podSees(stack, role);
};

/** Runs the script with `args` and until the pods see the last change; `settleMs` tells how long a wait for Metacontroller is. */
export const rotate = async (
  stack: Stack,
  args: readonly string[],
  settleMs: (seconds: number) => number,
): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "keyswitch-rotation-"));
  const meanwhile = (seconds: number) =>
    seconds > SETTLE_SECONDS ? podsSee(stack) : sleep(settleMs(seconds));
  try {
    await runCredentials({ kubeconfig: stack.kubeconfig, folder, meanwhile }, ["--apply", ...args]);
    await podsSee(stack);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
