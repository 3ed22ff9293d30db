// SPDX-License-Identifier: Apache-2.0
// What the bot says in its log when it starts: its configuration as a table, and what is unwise about it.
import type { Logger } from "pino";
import { BOT_VARIABLES, type BotConfig } from "../config/bot.ts";
import { startupTable } from "../config/startup-table.ts";
import type { Environment } from "../config/variables.ts";

/** One entry of the log for each line of the table: aligned where the log is read as it is, and still one JSON a line. */
export const announceBot = (config: BotConfig, env: Environment, logger: Logger): void => {
  for (const line of startupTable(env, BOT_VARIABLES)) logger.info(line);
  for (const warning of config.matrix.warnings) logger.warn(warning);
};
