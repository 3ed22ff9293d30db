// SPDX-License-Identifier: Apache-2.0
// Defines the names, labels and annotations of an HSMDevice's children, which stay the same whatever order devices are found in.
import { hash } from "node:crypto";
import { DNS_LABEL } from "../formats.ts";
import type { HSMDevice } from "./schema.ts";

/** The label of discovery's pods (manifests/discovery). */
export const DISCOVERY = { "app.kubernetes.io/name": "keyswitch-discovery" } as const;
/** Marks the agents of HSMDevices; the DaemonSet's have another name, so that no Service mixes them. */
export const AGENT = { "app.kubernetes.io/name": "keyswitch-hsmdevice-agent" } as const;
/** Which HSMDevice an agent is of. */
export const OF_DEVICE = "hsm.j5t.io/hsmdevice";
/** An agent's name, as the DaemonSet's pods have it. */
export const DEVICE = "hsm.j5t.io/device";
/** The device's id and its node, on the agent's Deployment: neither need fit into a label. */
export const DEVICE_ID = "hsm.j5t.io/device-id";
export const NODE = "hsm.j5t.io/node";
/** The port of an agent. */
export const AGENT_PORT = 8444;
/** The extended resource that an agent requests, and the device's path, whose change makes a new pod. */
export const RESOURCE = "hsm.j5t.io/resource";
export const DEVICE_PATH = "hsm.j5t.io/device-path";
/** The label of nodes on which the agent of manifests/agent runs. */
export const DAEMON_SET_NODE = "hsm.j5t.io/agent";

/** The longest name that is a label too. */
const MAX_LABEL = 63;
const isDnsLabel = new RegExp(DNS_LABEL);

const digest = (...parts: readonly string[]): string => hash("sha256", JSON.stringify(parts)).slice(0, 10);

const readable = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 20)
    .replace(/^-+|-+$/g, "");

/** The value of the label OF_DEVICE. */
export const labelOf = ({ metadata: { name } }: { metadata: { name: string } }): string =>
  name.length <= MAX_LABEL ? name : `${readable(name)}-${digest(name)}`;

/** The labels of the agents' pods. */
export const agentsOf = (parent: HSMDevice) => ({ ...AGENT, [OF_DEVICE]: labelOf(parent) });

/** The name of the Service and of the NetworkPolicy. */
export const serviceName = ({ metadata: { name } }: HSMDevice): string => {
  const full = `hsm-${name}`;
  return full.length <= MAX_LABEL && isDnsLabel.test(full) ? full : `hsm-${readable(name)}-${digest(name)}`;
};

/** The name of the agent of the device `id`: of the id and not of its place, and nobody else's, because the uid is in it. */
export const agentName = (
  { metadata: { name, uid } }: { metadata: { name: string; uid: string } },
  id: string,
): string => [readable(name), readable(id), digest(uid, id)].filter((part) => part !== "").join("-");

/** The key of pinSecret that counts in place of `key` for one agent, whose token has another PIN than the others. */
export const ownPinKey = (key: string, agent: string): string => `${key}.${agent}`;
