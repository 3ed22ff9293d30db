// SPDX-License-Identifier: Apache-2.0
// Parses the webhook's configuration from its environment variables.

import {
  checkCa,
  checkExposure,
  type ListenerConfig,
  listenerVariables,
  readListener,
  readOptionalTokenPath,
  readTokenPath,
} from "../config/listener.ts";
import { boolean, file, text } from "../config/variable-table.ts";
import {
  type ConfigResult,
  deepFreeze,
  type Environment,
  present,
  readChecked,
  readVariables,
} from "../config/variables.ts";
import {
  type InCluster,
  inClusterVariables,
  readInCluster,
  SERVICE_ACCOUNT_DIRECTORY,
} from "../kubernetes/in-cluster.ts";
import { type AgentEndpoint, parseAgents } from "./agents.ts";
import { loadPathPolicy } from "./path-policy.ts";

/** The webhook's variables. */
export const WEBHOOK_VARIABLES = {
  ...listenerVariables(8443),
  HOOK_TOKEN_FILE: file({ description: "tokens that may call the hooks" }),
  AGENTS: text({
    required: true,
    description:
      "`name=https://host:port,…`, in the order in which they are asked; `http://` on loopback alone",
  }),
  AGENT_TOKEN_FILE: file({
    description:
      "token that the webhook reads from agents with; the key of the [checksums](hsmsecret.md#status) in statuses is derived from it",
  }),
  AGENT_WRITE_TOKEN_FILE: file({
    description: "token that the webhook writes to agents with; unset, or no such file: it only reads",
  }),
  AGENT_CA_FILE: file({
    description: "PEM certificates that sign the agents' certificates; unset: the system's",
  }),
  PATH_POLICY_FILE: file({
    description:
      "JSON or YAML list of `{namespace, prefix, write}` and `{namespace, write, quota}`: paths that namespaces may read beside `secrets/<namespace>/`, where they may write and how much ([hsmsecret.md](hsmsecret.md#path-policy))",
  }),
  TOGGLE_TEMPLATES: boolean({
    default: false,
    description:
      "whether a Toggle may make pods of its `spec.template`: `true`, `1`, `yes`, `false`, `0` or `no` ([toggle.md](toggle.md#templates))",
  }),
  ...inClusterVariables(
    ": where events are posted, and an HSMSecret is looked up before a token is changed for it, with the pod's service account",
  ),
};

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
  checkExposure(reader, listener, ["HOOK_TOKEN_FILE"], reader.isSet("HOOK_TOKEN_FILE"));
  const agents = parseAgents(reader.value("AGENTS") ?? "");
  for (const message of agents.faults) reader.fault("AGENTS", message);
  const agentTokenFile = readTokenPath(reader, "AGENT_TOKEN_FILE");
  const agentWriteTokenFile = readOptionalTokenPath(reader, "AGENT_WRITE_TOKEN_FILE");
  const agentCaFile = reader.value("AGENT_CA_FILE");
  checkCa(reader, "AGENT_CA_FILE", agentCaFile);
  const pathPolicyFile = reader.value("PATH_POLICY_FILE");
  if (pathPolicyFile !== undefined) {
    const content = readChecked(pathPolicyFile);
    const policy = content.ok ? loadPathPolicy(content.bytes) : content;
    if (!policy.ok) reader.fault("PATH_POLICY_FILE", `${pathPolicyFile} ${policy.message}`);
  }
  const toggleTemplates = reader.value("TOGGLE_TEMPLATES");
  const inCluster = readInCluster(reader, serviceAccountDirectory);
  if (reader.faults.length > 0 || toggleTemplates === undefined) return { ok: false, faults: reader.faults };
  const config: WebhookConfig = {
    ...listener,
    ...present({
      hookTokenFile,
      agentTokenFile,
      agentWriteTokenFile,
      agentCaFile,
      pathPolicyFile,
      inCluster,
    }),
    agents: agents.endpoints,
    toggleTemplates,
  };
  return { ok: true, config: deepFreeze(config) };
};
