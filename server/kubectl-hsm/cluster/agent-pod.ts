// SPDX-License-Identifier: Apache-2.0
// Which pod is the agent that is meant, on which port it listens, and which Secret holds its PIN.
import { CommandFailed } from "../exit-codes.ts";
import { oneLine } from "../io.ts";
import type { Kubectl } from "./kubectl.ts";
import { httpsPort, isReady, isRunning, podsOf } from "./pods.ts";

/** The label that all agents' pods have (manifests/agent), and the one with the agent's name. */
const AGENTS = "app.kubernetes.io/name=keyswitch-agent";
const DEVICE = "hsm.j5t.io/device";
const DEFAULT_PORT = 8444;

export type AgentPod = {
  name: string;
  /** The agent's name. */
  device: string;
  port: number;
  /** Of the volume `pin`. */
  pinSecret: string | undefined;
};

/** @throws CommandFailed where none runs, none has the name, or several do and none is named. */
export const findAgentPod = async (
  kubectl: Kubectl,
  namespace: string,
  agent: string | undefined,
): Promise<AgentPod> => {
  const pods = (await podsOf(kubectl, namespace, AGENTS))
    .filter(isRunning)
    .map((pod) => ({
      name: pod.metadata.name,
      device: pod.metadata.labels?.[DEVICE] ?? "",
      port: httpsPort(pod) ?? DEFAULT_PORT,
      pinSecret: pod.spec.volumes?.find(({ name }) => name === "pin")?.secret?.secretName,
      ready: isReady(pod),
    }))
    // One whose token can't be read still answers, and says why; but one that is ready goes first.
    .sort((a, b) => Number(b.ready) - Number(a.ready));
  const devices = [...new Set(pods.map(({ device }) => device))].sort();
  const wanted = agent === undefined ? pods : pods.filter(({ device }) => device === agent);
  const [pod] = wanted;
  if (pod === undefined) {
    throw new CommandFailed(
      "unreachable",
      pods.length === 0
        ? `no agent runs in the namespace ${namespace}`
        : `no agent of that name runs in the namespace ${namespace}; there are: ${oneLine(devices.join(", "))}`,
    );
  }
  if (agent === undefined && devices.length > 1) {
    throw new CommandFailed(
      "usage",
      `there are several agents: choose one with --agent ${oneLine(devices.join("|"))}`,
    );
  }
  return pod;
};
