// SPDX-License-Identifier: Apache-2.0
// The entry of every process: `main.js <role>` reads the configuration, starts the role, and drains it on a signal.
import closeWithGrace from "close-with-grace";
import type { Logger } from "pino";
import type { ListenerConfig } from "./config/listener.ts";
import type { ConfigResult, Environment } from "./config/variables.ts";
import { createLogger, describeError } from "./log.ts";

/** A role that listens. `close` waits for what is under way. */
type Running = { close(): Promise<void> };

/** A role's code is loaded when it is chosen, so that the webhook never loads the HSM's libraries. */
type Role<Config extends ListenerConfig> = {
  parse(env: Environment): Promise<ConfigResult<Config>>;
  run(config: Config, logger: Logger): Promise<Running>;
};

const role = <Config extends ListenerConfig>(definition: Role<Config>) => ({
  /** Starts the role, or lists what is wrong with the configuration. */
  async start(name: string, env: Environment): Promise<void> {
    const parsed = await definition.parse(env);
    if (!parsed.ok) {
      const faults = parsed.faults.map((fault) => `  ${fault.name} ${fault.message}\n`);
      fail(`keyswitch ${name}: the configuration has ${count(faults.length, "fault")}:\n${faults.join("")}`);
      return;
    }
    const { config } = parsed;
    const logger = createLogger({ level: config.logLevel, role: name });
    // Paths of secret files, never their content: the configuration has nothing else.
    logger.info({ config, node: process.version }, "starting");
    let running: Promise<Running> | undefined;
    closeWithGrace({ delay: DRAIN_MS, logger: false }, async ({ signal, err }) => {
      if (err) logger.fatal({ err }, "unexpected error");
      logger.info({ signal }, "stopping");
      // A start that failed has already been reported.
      await (await running?.catch(() => undefined))?.close();
      logger.info("stopped");
    });
    try {
      running = definition.run(config, logger);
      await running;
      logger.info("ready");
    } catch (error) {
      const { type, code, message } = describeError(error);
      logger.fatal({ err: error }, "the start failed");
      fail(
        `keyswitch ${name}: the start failed: ${[message ?? type, code && `(${code})`].filter(Boolean).join(" ")}\n`,
      );
      process.exit();
    }
  },
});

/** How long requests under way may take to end; Kubernetes kills after 30 s. */
const DRAIN_MS = 15_000;

const roles = {
  webhook: role({
    parse: async (env) => (await import("./config/webhook.ts")).parseWebhookConfig(env),
    run: async (config, logger) => (await import("./webhook/main.ts")).runWebhook(config, logger),
  }),
  agent: role({
    parse: async (env) => (await import("./config/agent.ts")).parseAgentConfig(env),
    run: async (config, logger) => (await import("./agent/main.ts")).runAgent(config, logger),
  }),
};

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

const fail = (text: string): void => {
  process.stderr.write(text);
  process.exitCode = 1;
};

const isRole = (name: string | undefined): name is keyof typeof roles =>
  name !== undefined && Object.hasOwn(roles, name);

const name = process.argv[2];
if (isRole(name)) await roles[name].start(name, process.env);
else {
  const known = Object.keys(roles).join(", ");
  const what = name === undefined ? "a role is needed" : `there is no role ${JSON.stringify(name)}`;
  fail(`keyswitch: ${what}; the roles are: ${known}\nusage: node main.js <role>\n`);
}
