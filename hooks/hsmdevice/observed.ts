// SPDX-License-Identifier: Apache-2.0
// Classifies the objects in an HSMDevice's request: its agents, those of others, discovery's pods, nodes.
import { sortedEntries } from "../formats.ts";
import type { AnyObject } from "../kubernetes.ts";
import { controllerOf } from "../metadata.ts";
import {
  AGENT,
  agentsOf,
  DEVICE,
  DEVICE_ID,
  DEVICE_PATH,
  DISCOVERY,
  labelOf,
  NODE,
  OF_DEVICE,
  RESOURCE,
} from "./names.ts";
import type { Deployment, Node, Pod } from "./objects.ts";
import type { HSMDevice, HSMDeviceSyncRequest } from "./schema.ts";

/** The Deployment of one device's agent. */
export interface Agent {
  readonly id: string;
  readonly node: string;
  readonly deployment: Deployment;
  readonly available: boolean;
  /** What its pod requests; without one its pcscd is privileged and takes every reader of the node. */
  readonly resource?: string;
  readonly devicePath?: string;
}

/** The agent of another HSMDevice. */
interface OtherAgent {
  readonly of: string;
  readonly node: string;
  readonly id?: string;
  readonly resource?: string;
}

/** What is around an HSMDevice. */
export interface Surroundings {
  /** The nodes that spec.nodeSelector selects, by name. */
  readonly nodes: ReadonlyMap<string, Node>;
  /** The ready pod of discovery of each node. */
  readonly discovery: ReadonlyMap<string, Pod>;
  /** Whether there is discovery in the namespace at all. */
  readonly hasDiscovery: boolean;
  /** The pods of each agent of this HSMDevice, by the agent's name; without mirroring there are none in the request. */
  readonly agentPods: ReadonlyMap<string, readonly Pod[]>;
  /** Agents of other HSMDevices. */
  readonly otherAgents: readonly OtherAgent[];
  /** `Kind/name` of objects that have a name of ours and are not ours. */
  readonly foreign: ReadonlySet<string>;
}

export interface Observed {
  /** By device id. */
  readonly agents: ReadonlyMap<string, Agent>;
  readonly children: readonly AnyObject[];
  /** Undefined without a customize hook. */
  readonly around?: Surroundings;
}

const valuesOf = <T>(group: Readonly<Record<string, T>> | undefined): T[] =>
  sortedEntries(group ?? {}).map(([, object]) => object);

const isAvailable = ({ metadata, status }: Deployment): boolean =>
  (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) && (status?.availableReplicas ?? 0) > 0;

const agentsByDevice = (deployments: readonly Deployment[]): Map<string, Agent> =>
  new Map(
    deployments.flatMap((deployment): [string, Agent][] => {
      const {
        [DEVICE_ID]: id,
        [NODE]: node,
        [RESOURCE]: resource,
        [DEVICE_PATH]: devicePath,
      } = deployment.metadata.annotations ?? {};
      if (id === undefined || node === undefined) return [];
      const requested = {
        ...(resource !== undefined && { resource }),
        ...(devicePath !== undefined && { devicePath }),
      };
      return [[id, { id, node, deployment, available: isAvailable(deployment), ...requested }]];
    }),
  );

const isReady = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;

const readyByNode = (pods: readonly Pod[]): Map<string, Pod> =>
  new Map(
    pods.flatMap((pod): [string, Pod][] =>
      isReady(pod) && pod.status?.podIP !== undefined && pod.spec?.nodeName !== undefined
        ? [[pod.spec.nodeName, pod]]
        : [],
    ),
  );

const hasLabels = ({ metadata: { labels = {} } }: Pod, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);

/** A pod that has ended, as one that was evicted, keeps its address in its status. */
const isOver = ({ status }: Pod): boolean => status?.phase === "Failed" || status?.phase === "Succeeded";

const podsByAgent = (parent: HSMDevice, pods: readonly Pod[]): Map<string, Pod[]> =>
  Map.groupBy(
    pods.filter((pod) => hasLabels(pod, agentsOf(parent)) && !isOver(pod)),
    ({ metadata }) => metadata.labels?.[DEVICE] ?? "",
  );

const othersOf = (parent: HSMDevice, deployments: readonly Deployment[]): Surroundings["otherAgents"] =>
  deployments.flatMap(({ metadata: { labels = {}, annotations = {} } }) => {
    const { [NODE]: node, [DEVICE_ID]: id, [RESOURCE]: resource } = annotations;
    const of = labels[OF_DEVICE];
    const isAgent = labels["app.kubernetes.io/name"] === AGENT["app.kubernetes.io/name"];
    if (!isAgent || of === undefined || node === undefined || of === labelOf(parent)) return [];
    return [{ of, node, ...(id !== undefined && { id }), ...(resource !== undefined && { resource }) }];
  });

/** Reads the children and the related objects of `request`. */
export const observe = ({ parent, children, related }: HSMDeviceSyncRequest): Observed => {
  const own = children["Deployment.apps/v1"];
  const all: AnyObject[] = [
    ...valuesOf(own),
    ...valuesOf(children["Service.v1"]),
    ...valuesOf(children["NetworkPolicy.networking.k8s.io/v1"]),
  ];
  const observed = { agents: agentsByDevice(valuesOf(own)), children: all };
  const { "Pod.v1": pods, "Node.v1": nodes, "Deployment.apps/v1": deployments } = related;
  if (pods === undefined || nodes === undefined || deployments === undefined) return observed;
  const named: AnyObject[] = [
    ...valuesOf(deployments),
    ...valuesOf(related["Service.v1"]),
    ...valuesOf(related["NetworkPolicy.networking.k8s.io/v1"]),
  ];
  const foreign = named.filter((object) => controllerOf(object)?.uid !== parent.metadata.uid);
  const discovery = valuesOf(pods).filter((pod) => hasLabels(pod, DISCOVERY));
  return {
    ...observed,
    around: {
      nodes: new Map(valuesOf(nodes).map((node) => [node.metadata.name, node])),
      discovery: readyByNode(discovery),
      hasDiscovery: discovery.length > 0,
      agentPods: podsByAgent(parent, valuesOf(pods)),
      otherAgents: othersOf(parent, valuesOf(deployments)),
      foreign: new Set(foreign.map(({ kind, metadata }) => `${kind}/${metadata.name}`)),
    },
  };
};
