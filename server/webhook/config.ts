// SPDX-License-Identifier: Apache-2.0
// The webhook's configuration, from its environment variables.

import {
  checkCa,
  checkExposure,
  LISTENER_VARIABLES,
  type ListenerConfig,
  readListener,
  readOptionalTokenPath,
  readTokenPath,
} from "../config/listener.ts";
import {
  type ConfigResult,
  deepFreeze,
  type Environment,
  readChecked,
  readVariables,
} from "../config/variables.ts";
import {
  type InCluster,
  KUBERNETES_VARIABLES,
  readInCluster,
  SERVICE_ACCOUNT_DIRECTORY,
} from "../kubernetes/in-cluster.ts";
import { type AgentEndpoint, parseAgents } from "./agents.ts";
import { loadPathPolicy } from "./path-policy.ts";

/** The webhook's variables and their defaults; docs/configuration.md is checked against it. */
export const WEBHOOK_VARIABLES = {
  ...LISTENER_VARIABLES,
  LISTEN_PORT: "8443",
  HOOK_TOKEN_FILE: null,
  AGENTS: null,
  AGENT_TOKEN_FILE: null,
  AGENT_WRITE_TOKEN_FILE: null,
  AGENT_CA_FILE: null,
  PATH_POLICY_FILE: null,
  TOGGLE_TEMPLATES: "false",
  ...KUBERNETES_VARIABLES,
} as const;

export type WebhookConfig = ListenerConfig & {
  hookTokenFile?: string;
  /** In the order in which they are asked. */
  agents: AgentEndpoint[];
  agentTokenFile?: string;
  /** Absent: the webhook only reads. */
  agentWriteTokenFile?: string;
  agentCaFile?: string;
  pathPolicyFile?: string;
  /** Whether a Toggle may make pods of its template. */
  toggleTemplates: boolean;
  /** Where events go; absent outside a cluster. */
  inCluster?: InCluster;
};

/**
 * The webhook's configuration, frozen, or every fault of it.
 * @param serviceAccountDirectory where Kubernetes mounts the service account
 */
export const parseWebhookConfig = (
  env: Environment,
  serviceAccountDirectory: string = SERVICE_ACCOUNT_DIRECTORY,
): ConfigResult<WebhookConfig> => {
  const reader = readVariables(env, WEBHOOK_VARIABLES);
  const listener = readListener(reader);
  const hookTokenFile = readTokenPath(reader, "HOOK_TOKEN_FILE");
  checkExposure(reader, listener, ["HOOK_TOKEN_FILE"], reader.raw("HOOK_TOKEN_FILE") !== undefined);
  const agents = parseAgents(reader.required("AGENTS", reader.raw("AGENTS")) ?? "");
  for (const message of agents.faults) reader.fault("AGENTS", message);
  const agentTokenFile = readTokenPath(reader, "AGENT_TOKEN_FILE");
  const agentWriteTokenFile = readOptionalTokenPath(reader, "AGENT_WRITE_TOKEN_FILE");
  const agentCaFile = reader.file("AGENT_CA_FILE");
  checkCa(reader, "AGENT_CA_FILE", agentCaFile);
  const pathPolicyFile = reader.file("PATH_POLICY_FILE");
  if (pathPolicyFile !== undefined) {
    const file = readChecked(pathPolicyFile);
    const policy = file.ok ? loadPathPolicy(file.bytes) : file;
    if (!policy.ok) reader.fault("PATH_POLICY_FILE", `${pathPolicyFile} ${policy.message}`);
  }
  const toggleTemplates = reader.boolean("TOGGLE_TEMPLATES");
  const inCluster = readInCluster(reader, serviceAccountDirectory);
  if (reader.faults.length > 0 || toggleTemplates === undefined) return { ok: false, faults: reader.faults };
  const config: WebhookConfig = {
    ...listener,
    ...(hookTokenFile !== undefined && { hookTokenFile }),
    agents: agents.endpoints,
    ...(agentTokenFile !== undefined && { agentTokenFile }),
    ...(agentWriteTokenFile !== undefined && { agentWriteTokenFile }),
    ...(agentCaFile !== undefined && { agentCaFile }),
    ...(pathPolicyFile !== undefined && { pathPolicyFile }),
    toggleTemplates,
    ...(inCluster && { inCluster }),
  };
  return { ok: true, config: deepFreeze(config) };
};
