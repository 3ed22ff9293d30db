// SPDX-License-Identifier: Apache-2.0
// Connects to the agent: at a given address, or through a port-forward with the cluster's own CA and bearer token.
import { readFile } from "node:fs/promises";
import { describeFileError } from "../../config/variables.ts";
import { agentCa, agentToken, firstToken } from "../cluster/agent-credentials.ts";
import { type AgentPod, findAgentPod } from "../cluster/agent-pod.ts";
import type { Kubectl } from "../cluster/kubectl.ts";
import type { KubectlHsmConfig } from "../config.ts";
import { CommandFailed } from "../exit-codes.ts";
import { type AgentCalls, agentCalls } from "./agent-api-calls.ts";
import { createAgentClient } from "./agent-client.ts";
import { openPodClient } from "./pod-client.ts";

export type Connection = {
  agent: AgentCalls;
  /** Where a port-forward was opened. */
  pod?: AgentPod;
  close(): Promise<void>;
};

/** @throws CommandFailed where there is no way to the agent. */
export const connect = async (
  config: KubectlHsmConfig,
  kubectl: Kubectl,
  scope: "read" | "write",
): Promise<Connection> => {
  const { target } = config;
  return target.kind === "direct"
    ? connectDirectly(config, target)
    : connectThroughPod(config, kubectl, { agent: target.agent, scope });
};

const connectDirectly = async (
  { timeoutMs, connectTimeoutMs }: KubectlHsmConfig,
  { origin, caFile, tokenFile, serverName }: Extract<KubectlHsmConfig["target"], { kind: "direct" }>,
): Promise<Connection> => {
  const ca = caFile && (await contents(caFile, "--ca-file")).toString("utf8");
  const bearerToken = tokenFile && firstToken(await contents(tokenFile, "--token-file"), tokenFile);
  const client = createAgentClient({
    origin,
    ...(ca && { ca }),
    ...(bearerToken && { bearerToken }),
    ...(serverName && { serverName }),
    timeoutMs,
    connectTimeoutMs,
  });
  return { agent: agentCalls(client), close: client.close };
};

const connectThroughPod = async (
  config: KubectlHsmConfig,
  kubectl: Kubectl,
  { agent, scope }: { agent: string | undefined; scope: "read" | "write" },
): Promise<Connection> => {
  const { keyswitchNamespace: namespace } = config;
  const asked = {
    pod: findAgentPod(kubectl, namespace, agent),
    credentials: agentCredentials(kubectl, namespace, scope),
  };
  // Asked at once, told in order: where there is no agent, that its credentials are missing too helps nobody.
  await Promise.allSettled(Object.values(asked));
  const pod = await asked.pod;
  return connectToPod(config, kubectl, pod, await asked.credentials);
};

type AgentCredentials = { ca: string; bearerToken: string };

/** What agents are asked with. @throws CommandFailed where the Secrets are missing */
export const agentCredentials = async (
  kubectl: Kubectl,
  namespace: string,
  scope: "read" | "write",
): Promise<AgentCredentials> => {
  const asked = {
    ca: agentCa(kubectl, namespace),
    bearerToken: agentToken(kubectl, namespace, scope),
  };
  await Promise.allSettled(Object.values(asked));
  return { ca: await asked.ca, bearerToken: await asked.bearerToken };
};

/** A connection to this agent. @throws CommandFailed when the port-forward does not open */
export const connectToPod = async (
  config: KubectlHsmConfig,
  kubectl: Kubectl,
  pod: AgentPod,
  credentials: AgentCredentials,
): Promise<Connection & { pod: AgentPod }> => {
  const { client, close } = await openPodClient(config, kubectl, {
    pod,
    ...credentials,
    // Every agent's certificate has its Service's names.
    serverName: `keyswitch-agent.${config.keyswitchNamespace}.svc`,
  });
  return { agent: agentCalls(client), pod, close };
};

const contents = async (path: string, option: string): Promise<Buffer> => {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CommandFailed("usage", `${option}: ${path} ${describeFileError(error)}`);
  }
};
