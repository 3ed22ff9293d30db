// SPDX-License-Identifier: Apache-2.0
// Starts the role that the command line names (`main.js <role>`) and loads only its code, so that the webhook and the bot never
// load the HSM's libraries.
import type { Environment } from "./config/variables.ts";
import { exitWithError, listeningRole } from "./listening-role.ts";

/** Starts a role with the arguments after its name. */
type Start = (env: Environment, args: readonly string[]) => Promise<void>;

const standardStreams = {
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text),
};

const runBot = listeningRole("bot", {
  parse: async (env) => (await import("./bot/config.ts")).parseBotConfig(env),
  announce: async (config, env, logger) => (await import("./bot/main.ts")).announceBot(config, env, logger),
  run: async (config, logger) => {
    const { runBot: run } = await import("./bot/main.ts");
    const { openMatrix } = await import("./matrix/network.ts");
    return run(config, logger, openMatrix);
  },
});

const roles = {
  webhook: listeningRole("webhook", {
    parse: async (env) => (await import("./webhook/config.ts")).parseWebhookConfig(env),
    run: async (config, logger) => (await import("./webhook/main.ts")).runWebhook(config, logger),
  }),
  agent: listeningRole("agent", {
    parse: async (env) => (await import("./agent/config.ts")).parseAgentConfig(env),
    run: async (config, logger) => (await import("./agent/main.ts")).runAgent(config, logger),
  }),
  bot: async (env, args) => {
    if (args[0] !== "setup") return runBot(env);
    const { runSetup } = await import("./matrix/setup/main.ts");
    process.exitCode = await runSetup(args.slice(1), env, standardStreams);
  },
  discovery: listeningRole("discovery", {
    parse: async (env) => (await import("./discovery/config.ts")).parseDiscoveryConfig(env),
    run: async (config, logger) => (await import("./discovery/main.ts")).runDiscovery(config, logger),
  }),
  conntest: async (env, args) => {
    const { runConntest } = await import("./conntest/main.ts");
    process.exitCode = await runConntest(args, env, standardStreams);
  },
} satisfies Record<string, Start>;

const USAGE = `usage: node main.js webhook | agent | bot | discovery
       node main.js bot setup [--reset]    makes the recovery key of the bot's account; bot setup --help says more
       node main.js conntest [options]     logs in to the homeserver once; conntest --help lists the options
`;

const isRole = (name: string | undefined): name is keyof typeof roles =>
  name !== undefined && Object.hasOwn(roles, name);

const [name, ...args] = process.argv.slice(2);
if (isRole(name)) await roles[name](process.env, args);
else {
  const known = Object.keys(roles).join(", ");
  const what = name === undefined ? "a role is needed" : `there is no role ${JSON.stringify(name)}`;
  exitWithError(`keyswitch: ${what}; the roles are: ${known}\n${USAGE}`);
}
