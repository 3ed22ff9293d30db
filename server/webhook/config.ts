// SPDX-License-Identifier: Apache-2.0
// Parses the webhook's configuration from its environment variables.

import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { AGENT_NAME, DNS_SUBDOMAIN, MAX_NAME } from "../../hooks/formats.ts";
import {
  checkCa,
  checkExposure,
  type ListenerConfig,
  listenerVariables,
  readListener,
  readOptionalTokenPath,
  readTokenPath,
} from "../config/listener.ts";
import { isLoopback } from "../config/loopback.ts";
import { boolean, file, integer, pattern, text, type ValuesOf } from "../config/variable-table.ts";
import {
  type ConfigResult,
  deepFreeze,
  type Environment,
  present,
  readChecked,
  readVariables,
  type VariableReader,
} from "../config/variables.ts";
import {
  type InCluster,
  inClusterVariables,
  readInCluster,
  SERVICE_ACCOUNT_DIRECTORY,
} from "../kubernetes/in-cluster.ts";
import type { DiscoveryAccess } from "./discovery-client.ts";
import { loadPathPolicy } from "./path-policy.ts";
import type { RoleAccess } from "./role-client.ts";

/** The webhook's variables. */
export const WEBHOOK_VARIABLES = {
  ...listenerVariables(8443),
  HOOK_TOKEN_FILE: file({ description: "tokens that may call the hooks" }),
  AGENTS: text({
    required: true,
    description:
      "`name=https://host:port,…`, in the order in which they are asked; `name=dns+https://host:port` is a [set of HSMs](hsmsecret.md#sets-of-hsms), whose agents are the addresses of the host; `http://` on loopback alone",
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
  AGENT_ROLE_TOKEN_FILE: file({
    description:
      "token that the webhook gives the agents of [HSMDevices](hsmdevice.md#mirroring) their roles with; unset, or no such file: none has a role",
  }),
  AGENT_SERVER_NAME: pattern({ pattern: DNS_SUBDOMAIN, maxLength: MAX_NAME }, "a DNS name", {
    default: "keyswitch-agent.keyswitch.svc",
    description:
      "name in the certificate that the agents of HSMDevices show: for their roles they are asked by their addresses",
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
  START_TIMEOUT: integer(0, 86_400, {
    default: 600,
    description:
      "seconds without progress after which a Toggle that starts is Degraded, 0 to 86400; 0: never ([toggle.md](toggle.md#why-it-is-not-ready))",
  }),
  TOGGLE_PODS: boolean({
    default: true,
    description:
      "whether the hooks ask Metacontroller for the pods of Toggles, which tell why one is not ready: it then keeps all pods of the cluster in memory, and needs the right to read them ([toggle.md](toggle.md#why-it-is-not-ready))",
  }),
  DISCOVERY_TOKEN_FILE: file({
    description:
      "token that the webhook asks [discovery](discovery.md) with, for [HSMDevices](hsmdevice.md); unset: no node reports its devices",
  }),
  DISCOVERY_CA_FILE: file({
    description: "PEM certificates that sign discovery's certificate; unset: the system's",
  }),
  DISCOVERY_SERVER_NAME: pattern({ pattern: DNS_SUBDOMAIN, maxLength: MAX_NAME }, "a DNS name", {
    default: "keyswitch-discovery.keyswitch.svc",
    description: "name in the certificate that discovery's pods show: they are asked by their addresses",
  }),
  ...inClusterVariables(
    ": where events are posted, and an HSMSecret is looked up before a token is changed for it, with the pod's service account",
  ),
};

type WebhookReader = VariableReader<ValuesOf<typeof WEBHOOK_VARIABLES>>;

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
  /** Whether the pods of Toggles are asked for. */
  togglePods: boolean;
  /** Seconds without progress after which a start is Degraded; 0: never. */
  startTimeoutSeconds: number;
  /** Absent: no agent has a role. */
  roles?: RoleAccess;
  /** Absent: no node reports its devices. */
  discovery?: DiscoveryAccess;
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
  const discovery = readDiscovery(reader);
  const roles = readRoles(reader, agentCaFile);
  const toggleTemplates = reader.value("TOGGLE_TEMPLATES");
  const togglePods = reader.value("TOGGLE_PODS");
  const startTimeoutSeconds = reader.value("START_TIMEOUT");
  const inCluster = readInCluster(reader, serviceAccountDirectory);
  const isRead =
    toggleTemplates !== undefined && togglePods !== undefined && startTimeoutSeconds !== undefined;
  if (reader.faults.length > 0 || !isRead) return { ok: false, faults: reader.faults };
  const config: WebhookConfig = {
    ...listener,
    ...present({
      hookTokenFile,
      agentTokenFile,
      agentWriteTokenFile,
      agentCaFile,
      pathPolicyFile,
      discovery,
      roles,
      inCluster,
    }),
    agents: agents.endpoints,
    toggleTemplates,
    togglePods,
    startTimeoutSeconds,
  };
  return { ok: true, config: deepFreeze(config) };
};

/**
 * One agent: the name that HSMSecrets use for it, and `scheme://host:port`. Or a set: the addresses of the host are those of its agents.
 */
export type AgentEndpoint = { name: string; origin: string; isSet?: true };

/** What stands before the scheme of a set. */
const SET_PREFIX = "dns+";

const AgentName = Type.String({ pattern: AGENT_NAME, maxLength: MAX_NAME });

/** The endpoints of a list, and what is wrong with it. A message names an entry by its place and its name alone. */
export const parseAgents = (list: string): { endpoints: AgentEndpoint[]; faults: string[] } => {
  const endpoints: AgentEndpoint[] = [];
  const faults: string[] = [];
  if (list.trim() === "") return { endpoints, faults };
  for (const [index, item] of list.split(",").entries()) {
    const entry = parseAgent(item.trim());
    if (!entry.ok) faults.push(`entry ${index + 1} ${entry.message}`);
    else if (endpoints.some(({ name }) => name === entry.endpoint.name)) {
      faults.push(`entry ${index + 1} repeats the name ${entry.endpoint.name}`);
    } else endpoints.push(entry.endpoint);
  }
  return { endpoints, faults };
};

const parseAgent = (item: string): { ok: true; endpoint: AgentEndpoint } | { ok: false; message: string } => {
  const at = item.indexOf("=");
  if (at < 1) return { ok: false, message: "must be name=https://host:port" };
  const name = item.slice(0, at);
  if (!Value.Check(AgentName, name)) {
    return { ok: false, message: "must start with a name of lower-case letters, digits, - and ." };
  }
  const address = item.slice(at + 1);
  const isSet = address.startsWith(SET_PREFIX);
  const url = URL.parse(isSet ? address.slice(SET_PREFIX.length) : address);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return { ok: false, message: `(${name}) must be an https:// address` };
  }
  if (url.username !== "" || url.password !== "") {
    return {
      ok: false,
      message: `(${name}) must not hold credentials; AGENT_TOKEN_FILE is the place for them`,
    };
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return { ok: false, message: `(${name}) must be scheme, host and port alone` };
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    return { ok: false, message: `(${name}) must use https://; http:// is accepted on loopback alone` };
  }
  return { ok: true, endpoint: { name, origin: url.origin, ...(isSet && { isSet }) } };
};

const readRoles = (reader: WebhookReader, caFile: string | undefined): RoleAccess | undefined => {
  const tokenFile = readOptionalTokenPath(reader, "AGENT_ROLE_TOKEN_FILE");
  const serverName = reader.value("AGENT_SERVER_NAME");
  if (tokenFile === undefined || serverName === undefined) return undefined;
  return { tokenFile, serverName, ...(caFile !== undefined && { caFile }) };
};

const readDiscovery = (reader: WebhookReader): DiscoveryAccess | undefined => {
  const tokenFile = readTokenPath(reader, "DISCOVERY_TOKEN_FILE");
  const caFile = reader.value("DISCOVERY_CA_FILE");
  const serverName = reader.value("DISCOVERY_SERVER_NAME");
  checkCa(reader, "DISCOVERY_CA_FILE", caFile);
  if (tokenFile === undefined || serverName === undefined) return undefined;
  return { tokenFile, serverName, ...(caFile !== undefined && { caFile }) };
};
