// SPDX-License-Identifier: Apache-2.0
// Starts the role that the command line names (`main.js <role>`) and loads only its code, so that the webhook and the bot never
// load the HSM's libraries.
import type { Environment } from "./config/variables.ts";
import { exitWithError } from "./exit-with-error.ts";

/** Starts a role with the arguments after its name. */
type Start = (env: Environment, args: readonly string[]) => Promise<void>;

const roles = {
  webhook: async (env) => (await import("./roles/webhook.ts")).start(env),
  agent: async (env) => (await import("./roles/agent.ts")).start(env),
  bot: async (env, args) => (await import("./roles/bot.ts")).start(env, args),
  discovery: async (env) => (await import("./roles/discovery.ts")).start(env),
  conntest: async (env, args) => (await import("./roles/conntest.ts")).start(env, args),
} satisfies Record<string, Start>;

const USAGE = `usage: node main.js webhook | agent | bot | discovery
       node main.js conntest [options]     logs in to the homeserver once; conntest --help lists the options
       node main.js bot setup [--reset]    makes the recovery key of the bot's account; bot setup --help says more
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
