// SPDX-License-Identifier: Apache-2.0
// Asks the discovery of every node, a few at a time, and reports nodes that do not answer beside those that do.

import { DiscoveryBody } from "../../discovery-api/schema.ts";
import { compileSchema } from "../../http/validation.ts";
import { openPodClient } from "../agent/pod-client.ts";
import { discoveryCredentials } from "../cluster/agent-credentials.ts";
import type { Kubectl } from "../cluster/kubectl.ts";
import { httpsPort, isReady, isRunning, type Pod, podsOf } from "../cluster/pods.ts";
import type { KubectlHsmConfig } from "../config.ts";
import { CommandFailed } from "../exit-codes.ts";

/** The label of discovery's pods (manifests/discovery). */
const DISCOVERY = "app.kubernetes.io/name=keyswitch-discovery";
const DEFAULT_PORT = 8446;
/** Each port-forward is a kubectl of its own. */
const AT_ONCE = 6;

const body = compileSchema(DiscoveryBody);

export type NodeReading =
  | { ok: true; node: string; body: DiscoveryBody }
  | { ok: false; node: string; message: string };

type Asking = { config: KubectlHsmConfig; kubectl: Kubectl; ca: string; bearerToken: string };

/** By node. Undefined where there is no discovery. @throws CommandFailed where the credentials are missing */
export const readAllNodes = async (
  config: KubectlHsmConfig,
  kubectl: Kubectl,
): Promise<NodeReading[] | undefined> => {
  const { keyswitchNamespace: namespace } = config;
  const pods = onePerNode(await podsOf(kubectl, namespace, DISCOVERY));
  if (pods.length === 0) return undefined;
  const asking = { config, kubectl, ...(await discoveryCredentials(kubectl, namespace)) };
  const readings: NodeReading[] = [];
  for (let first = 0; first < pods.length; first += AT_ONCE) {
    const some = pods.slice(first, first + AT_ONCE);
    readings.push(...(await Promise.all(some.map((pod) => readNode(asking, pod)))));
  }
  return readings;
};

const nodeOf = ({ metadata, spec }: Pod): string => spec.nodeName ?? `the node of pod ${metadata.name}`;

/** During an update a node can have two: the one that can answer is asked. */
const onePerNode = (pods: readonly Pod[]): Pod[] => {
  const byNode = new Map<string, Pod>();
  const rank = (pod: Pod): number => Number(isRunning(pod)) + Number(isReady(pod));
  for (const pod of [...pods].sort((a, b) => rank(a) - rank(b))) byNode.set(nodeOf(pod), pod);
  return [...byNode].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pod]) => pod);
};

const readNode = async (asking: Asking, pod: Pod): Promise<NodeReading> => {
  const node = nodeOf(pod);
  if (!isRunning(pod)) {
    return { ok: false, node, message: `its pod ${pod.metadata.name} is not running (${pod.status?.phase})` };
  }
  try {
    const found = await askPod(asking, pod);
    if (found.node === node) return { ok: true, node, body: found };
    return { ok: false, node, message: `its discovery says that it is on ${found.node} (NODE_NAME)` };
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return { ok: false, node, message: error.message };
  }
};

const askPod = async ({ config, kubectl, ca, bearerToken }: Asking, pod: Pod): Promise<DiscoveryBody> => {
  const { client, close } = await openPodClient(config, kubectl, {
    pod: { name: pod.metadata.name, port: httpsPort(pod) ?? DEFAULT_PORT },
    ca,
    bearerToken,
    // Every pod shows the same certificate, which has the Service's names.
    serverName: `keyswitch-discovery.${config.keyswitchNamespace}.svc`,
    callee: "discovery",
  });
  try {
    const answer = await client.send({ method: "GET", path: "/v1/devices" }, body);
    if (answer.ok) return answer.body;
    throw new CommandFailed(answer.exit, answer.message);
  } finally {
    await close();
  }
};
