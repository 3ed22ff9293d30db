// SPDX-License-Identifier: Apache-2.0
// Builds the children that an answer lists: a Deployment for each agent, one Service and one NetworkPolicy.
import type { AnyObject } from "../kubernetes.ts";
import { MANAGED_BY } from "../metadata.ts";
import { agentPod, imagesOf } from "./agent-pod.ts";
import type { Assessment } from "./assessment.ts";
import type { Decision } from "./decide.ts";
import {
  AGENT_PORT,
  agentName,
  agentsOf,
  DEVICE,
  DEVICE_ID,
  DEVICE_PATH,
  NODE,
  RESOURCE,
  serviceName,
} from "./names.ts";
import type { Surroundings } from "./observed.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { HSMDevice } from "./schema.ts";

type Child = Record<string, unknown>;

const metadata = (parent: HSMDevice, name: string, annotations?: Record<string, string>) => ({
  name,
  namespace: parent.metadata.namespace,
  labels: { ...MANAGED_BY, "app.kubernetes.io/part-of": "keyswitch", ...agentsOf(parent) },
  ...(annotations !== undefined && { annotations }),
});

/** What the agent gets its device by. The kubelet injects a device's node when it makes a pod, so that another path needs another pod. */
const requested = ({ place, agent, resource }: Decision): Record<string, string> => {
  if (resource === undefined) return {};
  const path = place.presence === "seen" ? place.devicePath : agent?.devicePath;
  return { [RESOURCE]: resource, ...(path !== undefined && { [DEVICE_PATH]: path }) };
};

/**
 * The agent of a device. Its image is discovery's, of its node; while that is not ready, the one that it has. Undefined where
 * neither tells of one.
 */
export const agentChild = (
  { parent, spec }: Assessment,
  around: Surroundings,
  decision: Decision,
): Child | undefined => {
  const { place, agent, resource } = decision;
  const { id, node } = place;
  const images =
    imagesOf(around.discovery.get(node)?.spec, "discovery") ??
    imagesOf(agent?.deployment.spec.template?.spec, "agent");
  if (images === undefined) return undefined;
  const name = agentName(parent, id);
  const labels = { ...agentsOf(parent), [DEVICE]: name };
  const annotations = { [DEVICE_ID]: id, [NODE]: node, ...requested(decision) };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(parent, name, annotations),
    spec: {
      replicas: 1,
      revisionHistoryLimit: 3,
      // Two can't have one device, so that the old pod goes before the new one comes.
      strategy: { type: "Recreate" },
      selector: { matchLabels: { [DEVICE]: name } },
      template: {
        metadata: { labels: { "app.kubernetes.io/part-of": "keyswitch", ...labels }, annotations },
        spec: agentPod(spec, { name, node, resource }, images),
      },
    },
  };
};

/** Headless: its name has the addresses of all agents, also of one that is not ready and can say why. */
const service = (parent: HSMDevice): Child => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: metadata(parent, serviceName(parent)),
  spec: {
    clusterIP: "None",
    publishNotReadyAddresses: true,
    selector: agentsOf(parent),
    ports: [{ name: "https", port: AGENT_PORT, targetPort: "https" }],
  },
});

const peers = (parent: HSMDevice, { mirroring }: ResolvedSpec) =>
  mirroring === undefined ? [] : [{ podSelector: { matchLabels: agentsOf(parent) } }];

/**
 * Who may reach the agents: the webhook, and namespaces that collect metrics. The agents call each other where they are a set, by
 * their addresses, and nobody else.
 */
const networkPolicy = ({ parent, spec }: Assessment): Child => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: metadata(parent, serviceName(parent)),
  spec: {
    podSelector: { matchLabels: agentsOf(parent) },
    policyTypes: ["Ingress", "Egress"],
    ingress: [
      {
        from: [
          { podSelector: { matchLabels: { "app.kubernetes.io/name": "keyswitch-webhook" } } },
          { namespaceSelector: { matchLabels: { "hsm.j5t.io/metrics": "true" } } },
          ...peers(parent, spec),
        ],
        ports: [{ port: AGENT_PORT }],
      },
    ],
    egress: peers(parent, spec).map((peer) => ({ to: [peer], ports: [{ port: AGENT_PORT }] })),
  },
});

/** Service and NetworkPolicy, without one whose name somebody else has. */
export const sharedChildren = (assessment: Assessment, { foreign }: Surroundings): Child[] =>
  [service(assessment.parent), networkPolicy(assessment)].filter(
    ({ kind }) => !foreign.has(`${String(kind)}/${serviceName(assessment.parent)}`),
  );

/** A child as it was observed: one that an answer leaves out is deleted. */
export const relisted = (child: AnyObject): Child => {
  const { apiVersion, kind, metadata: meta } = child;
  const { name, namespace, labels, annotations } = meta;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, labels, ...(annotations !== undefined && { annotations }) },
    ...("spec" in child && { spec: child.spec }),
  };
};
