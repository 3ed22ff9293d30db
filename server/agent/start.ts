// SPDX-License-Identifier: Apache-2.0
// Starts the agent as a role that listens: its configuration is read before the rest of its code.
import type { Environment } from "../config/variables.ts";
import { listeningRole } from "../listening-role.ts";
import { parseAgentConfig } from "./config.ts";
import type { StartedProcess } from "./pkcs11/parent/child-process.ts";

/** `firstProcess` runs the store's first child. It ends where the configuration has faults, and with this process. */
export const startAgent = (env: Environment, firstProcess: StartedProcess): Promise<void> => {
  const start = listeningRole("agent", {
    parse: async (variables) => {
      const parsed = parseAgentConfig(variables);
      if (!parsed.ok) firstProcess.kill();
      return parsed;
    },
    run: async (config, logger) => (await import("./main.ts")).runAgent(config, logger, firstProcess),
  });
  return start(env);
};
