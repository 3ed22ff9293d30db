// SPDX-License-Identifier: Apache-2.0
// Runs a process that listens: validates and prints its configuration, starts the role, and drains it on a signal.
import closeWithGrace from "close-with-grace";
import type { Logger } from "pino";
import type { ListenerConfig } from "./config/listener.ts";
import type { ConfigFault, ConfigResult, Environment } from "./config/variables.ts";
import { exitWithError } from "./exit-with-error.ts";
import { createLogger, describeError } from "./log.ts";

/** A role that listens. */
export type RunningRole = {
  /** Waits for what is under way. */
  close(): Promise<void>;
  /** Resolves when it does its work, for roles that listen before that. */
  ready?: Promise<void>;
  /** Resolves with the reason when it can't go on: the process then closes it and exits with 1, to be started anew. */
  ended?: Promise<string>;
};

export type Role<Config extends ListenerConfig> = {
  parse(env: Environment): Promise<ConfigResult<Config>>;
  /** Says in the log what the process starts with; unless given, logs the configuration, which then has no secrets. */
  announce?(config: Config, env: Environment, logger: Logger): Promise<void>;
  run(config: Config, logger: Logger): Promise<RunningRole>;
};

/** How long requests under way may take to end; Kubernetes kills after 30 s. */
const DRAIN_MS = 15_000;

/** A function that starts the role `name`, or lists what is wrong with its configuration and sets the exit code 1. */
export const listeningRole =
  <Config extends ListenerConfig>(name: string, role: Role<Config>) =>
  async (env: Environment): Promise<void> => {
    const parsed = await role.parse(env);
    if (!parsed.ok) return exitWithError(`keyswitch ${name}: ${describeFaults(parsed.faults)}`);
    const { config } = parsed;
    const logger = createLogger({ level: config.logLevel, role: name });
    let running: Promise<RunningRole> | undefined;
    let end: string | undefined;
    // Node would open its debugger, which reads all memory.
    process.on("SIGUSR1", () => logger.warn({ signal: "SIGUSR1" }, "this signal is ignored"));
    const grace = closeWithGrace({ delay: DRAIN_MS, logger: false }, async ({ signal, err }) => {
      if (err) logger.fatal({ err }, "unexpected error");
      logger.info({ signal }, "stopping");
      // A start that failed has already been reported.
      await (await running?.catch(() => undefined))?.close();
      logger.info("stopped");
      // Thrown so that the process exits with 1.
      if (end !== undefined) throw new Error(end);
    });
    try {
      // After the signals are taken: who reads this line may send one at once.
      await announce(role, config, env, logger);
      running = role.run(config, logger);
      const { ready, ended } = await running;
      ended?.then((reason) => {
        end = reason;
        logger.fatal({ reason }, "can't go on");
        exitWithError(`keyswitch ${name}: ${reason}\n`);
        grace.close();
      });
      await ready;
      logger.info("ready");
    } catch (error) {
      logger.fatal({ err: error }, "the start failed");
      exitWithError(`keyswitch ${name}: the start failed: ${inOneLine(error)}\n`);
      process.exit();
    }
  };

const inOneLine = (error: unknown): string => {
  const { type, code, message } = describeError(error);
  return [message ?? type, code && `(${code})`].filter(Boolean).join(" ");
};

const announce = async <Config extends ListenerConfig>(
  role: Role<Config>,
  config: Config,
  env: Environment,
  logger: Logger,
): Promise<void> => {
  logger.info({ ...(role.announce === undefined && { config }), node: process.version }, "starting");
  await role.announce?.(config, env, logger);
};

/** Every fault on a line of its own. */
const describeFaults = (faults: readonly ConfigFault[]): string => {
  const lines = faults.map((fault) => `  ${fault.name} ${fault.message}\n`);
  return `the configuration has ${lines.length} fault${lines.length === 1 ? "" : "s"}:\n${lines.join("")}`;
};
