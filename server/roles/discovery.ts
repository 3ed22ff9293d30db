// SPDX-License-Identifier: Apache-2.0
// Starts discovery: its configuration is read before the rest of its code.
import { parseDiscoveryConfig } from "../discovery/config.ts";
import { listeningRole } from "../listening-role.ts";

export const start = listeningRole("discovery", {
  parse: async (env) => parseDiscoveryConfig(env),
  run: async (config, logger) => (await import("../discovery/main.ts")).runDiscovery(config, logger),
});
