// SPDX-License-Identifier: Apache-2.0
// Which pod is the agent that is meant, on which port it listens, and which Secret holds its PIN; the DaemonSet's agents and those of
// HSMDevices alike.
import { AGENT, DEVICE, OF_DEVICE } from "../../../hooks/hsmdevice/names.ts";
import { CommandFailed } from "../exit-codes.ts";
import { oneLine } from "../io.ts";
import type { Kubectl } from "./kubectl.ts";
import { httpsPort, isReady, isRunning, type Pod, podsOf } from "./pods.ts";

const NAME_LABEL = "app.kubernetes.io/name";
/** The label that all agents' pods have: those of manifests/agent, and those of HSMDevices. */
const AGENTS = `${NAME_LABEL} in (keyswitch-agent,${AGENT[NAME_LABEL]})`;
const DEFAULT_PORT = 8444;

export type AgentPod = {
  name: string;
  /** The agent's name. */
  device: string;
  port: number;
  /** Of the volume `pin`. */
  pinSecret: string | undefined;
  /** The label of the HSMDevice whose agent it is. */
  hsmDevice: string | undefined;
};

const agentPodOf = (pod: Pod): AgentPod => ({
  name: pod.metadata.name,
  device: pod.metadata.labels?.[DEVICE] ?? "",
  port: httpsPort(pod) ?? DEFAULT_PORT,
  pinSecret: pod.spec.volumes?.find(({ name }) => name === "pin")?.secret?.secretName,
  hsmDevice: pod.metadata.labels?.[OF_DEVICE],
});

/** The agents that run, with one whose token can be read before one that can only say why not. */
const runningAgents = async (kubectl: Kubectl, namespace: string, label: string): Promise<AgentPod[]> =>
  (await podsOf(kubectl, namespace, label))
    .filter(isRunning)
    .sort((a, b) => Number(isReady(b)) - Number(isReady(a)))
    .map(agentPodOf);

/** The agents of an HSMDevice that run, one pod for each, by their names. @throws CommandFailed */
export const agentsOfHsmDevice = async (
  kubectl: Kubectl,
  namespace: string,
  label: string,
): Promise<Map<string, AgentPod>> => {
  const pods = await runningAgents(
    kubectl,
    namespace,
    `${OF_DEVICE}=${label},${NAME_LABEL}=${AGENT[NAME_LABEL]}`,
  );
  return new Map(pods.reverse().map((pod) => [pod.device, pod]));
};

/** @throws CommandFailed where none runs, none has the name, or several do and none is named. */
export const findAgentPod = async (
  kubectl: Kubectl,
  namespace: string,
  agent: string | undefined,
): Promise<AgentPod> => {
  const pods = await runningAgents(kubectl, namespace, AGENTS);
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
