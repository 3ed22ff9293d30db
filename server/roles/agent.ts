// SPDX-License-Identifier: Apache-2.0
// Starts the agent: its PKCS#11 child's process first, which takes as long to start as the rest of its code to load.
import { StartedProcess } from "../agent/pkcs11/parent/child-process.ts";
import type { Environment } from "../config/variables.ts";

export const start = async (env: Environment): Promise<void> => {
  const firstProcess = new StartedProcess(env);
  const { startAgent } = await import("../agent/start.ts");
  await startAgent(env, firstProcess);
};
