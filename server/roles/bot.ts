// SPDX-License-Identifier: Apache-2.0
// Starts the bot on Matrix, whose configuration is read before the rest of its code, or runs its setup.
import { parseBotConfig } from "../bot/config.ts";
import type { Environment } from "../config/variables.ts";
import { listeningRole } from "../listening-role.ts";
import { standardStreams } from "./standard-streams.ts";

const run = listeningRole("bot", {
  parse: async (env) => parseBotConfig(env),
  announce: async (config, env, logger) => (await import("../bot/main.ts")).announceBot(config, env, logger),
  run: async (config, logger) => {
    const { runBot } = await import("../bot/main.ts");
    const { openMatrix } = await import("../matrix/network.ts");
    return runBot(config, logger, openMatrix);
  },
});

export const start = async (env: Environment, args: readonly string[]): Promise<void> => {
  if (args[0] !== "setup") return run(env);
  const { runSetup } = await import("../matrix/setup/main.ts");
  process.exitCode = await runSetup(args.slice(1), env, standardStreams);
};
