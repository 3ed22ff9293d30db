// SPDX-License-Identifier: Apache-2.0
// Starts the agent: its configuration is read before the rest of its code.
import { parseAgentConfig } from "../agent/config.ts";
import { listeningRole } from "../listening-role.ts";

export const start = listeningRole("agent", {
  parse: async (env) => parseAgentConfig(env),
  run: async (config, logger) => (await import("../agent/main.ts")).runAgent(config, logger),
});
