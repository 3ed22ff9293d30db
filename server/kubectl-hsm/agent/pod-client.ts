// SPDX-License-Identifier: Apache-2.0
// Sends requests to the listener of a pod through a port-forward that is closed afterwards.

import type { Kubectl } from "../cluster/kubectl.ts";
import { openPortForward } from "../cluster/port-forward.ts";
import type { KubectlHsmConfig } from "../config.ts";
import { createAgentClient } from "./agent-client.ts";
import type { AgentClient } from "./answer.ts";

export type PodEndpoint = {
  pod: { name: string; port: number };
  ca: string;
  bearerToken: string;
  /** A name in its certificate: the port-forward's end here has none. */
  serverName: string;
  /** See Endpoint. */
  callee?: string;
};

/** @throws CommandFailed when the port-forward does not open. */
export const openPodClient = async (
  { keyswitchNamespace: namespace, timeoutMs, connectTimeoutMs }: KubectlHsmConfig,
  kubectl: Kubectl,
  { pod, ...endpoint }: PodEndpoint,
): Promise<{ client: AgentClient; close(): Promise<void> }> => {
  const to = { namespace, pod: pod.name, port: pod.port };
  const forward = await openPortForward(kubectl, to, connectTimeoutMs);
  const origin = `https://127.0.0.1:${forward.port}`;
  const client = createAgentClient({ origin, ...endpoint, timeoutMs, connectTimeoutMs });
  return {
    client,
    close: async () => {
      await client.close();
      await forward.close();
    },
  };
};
