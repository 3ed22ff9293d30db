// SPDX-License-Identifier: Apache-2.0
// Says which variables of the agent and the webhook differ on this machine from the manifests.
import type { SetPlan } from "./hsm-set/plan.ts";
import type { LocalToken } from "./local-token.ts";
import type { Role } from "./role-processes.ts";
import type { ServiceAccount } from "./service-account.ts";

export type RolePorts = Readonly<Record<Role, number>>;

type Variables = Readonly<Record<string, string>>;

/** The variables of each role; those of `options` come last. */
export const roleVariables = ({
  ports,
  token,
  account,
  plan,
  options,
}: {
  ports: RolePorts;
  token: LocalToken;
  account: ServiceAccount;
  plan: SetPlan | undefined;
  options: { readonly agentEnv?: Variables; readonly webhookEnv?: Variables };
}): Record<Role, Record<string, string>> => {
  const listen = (role: Role) => ({ LISTEN_HOST: "127.0.0.1", LISTEN_PORT: String(ports[role]) });
  const agents = [`hsm=https://127.0.0.1:${ports.agent}`, ...(plan ? [plan.agents] : [])];
  return {
    agent: {
      ...listen("agent"),
      ...token.env,
      SYSFS_ROOT: "/sys",
      // So that a change made at the prompt shows at once.
      REFRESH_INTERVAL_MS: "1000",
      ...options.agentEnv,
    },
    webhook: {
      ...listen("webhook"),
      ...account.env,
      ...plan?.webhookEnv,
      AGENTS: agents.join(","),
      ...options.webhookEnv,
    },
  };
};
