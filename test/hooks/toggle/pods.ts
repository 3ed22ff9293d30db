// SPDX-License-Identifier: Apache-2.0
// Builds Pods of the Deployment demo/web as a kubelet reports them, with all that a message must not repeat.
import type { ContainerStatus } from "../../../hooks/toggle/pod.ts";

/** What no text of a status may hold: each pod carries it wherever a value could be. */
export const SECRET = "hunter2";

export const IMAGE = "registry.example:5000/shop/web:2.1";

type State = Required<ContainerStatus>["state"];
type Running = { startedAt: string };

export interface PodParts {
  readonly name?: string;
  /** Of the template; the newest is `b` where the Deployment says nothing else. */
  readonly hash?: string;
  readonly image?: string;
  readonly state?: State;
  readonly lastState?: State;
  readonly ready?: boolean;
  readonly restarts?: number;
  /** As an init container's; the container then waits. */
  readonly init?: boolean;
  /** The scheduler's reason and message, of a pod that has no node. */
  readonly unscheduled?: { readonly reason: string; readonly message: string };
  readonly phase?: string;
  readonly reason?: string;
  readonly metadata?: Record<string, unknown>;
}

const containerOf = ({ state, lastState, ready = false, restarts = 0 }: PodParts) => ({
  name: "app",
  ready,
  restartCount: restarts,
  image: IMAGE,
  imageID: SECRET,
  ...(state !== undefined && { state }),
  ...(lastState !== undefined && { lastState }),
});

const statusesOf = (parts: PodParts) => {
  if (parts.unscheduled !== undefined) return {};
  const mine = [containerOf(parts)];
  if (parts.init !== true) return { containerStatuses: mine };
  const waits = {
    name: "main",
    ready: false,
    restartCount: 0,
    state: { waiting: { reason: "PodInitializing" } },
  };
  return { initContainerStatuses: mine, containerStatuses: [waits] };
};

const metadataOf = ({ name = "web-b-x", hash = "b", metadata = {} }: PodParts) => ({
  name,
  namespace: "demo",
  creationTimestamp: `2026-11-22T09:0${hash === "b" ? 2 : 1}:00Z`,
  labels: { app: "web", "pod-template-hash": hash },
  annotations: { note: SECRET },
  ownerReferences: [
    { apiVersion: "apps/v1", kind: "ReplicaSet", name: `web-${hash}`, uid: "r", controller: true },
  ],
  ...metadata,
});

/** A Pod, as Metacontroller shows it under related. */
export const pod = (parts: PodParts = {}) => {
  const { image = IMAGE, unscheduled, ready = false, phase = "Pending", reason } = parts;
  const container = {
    name: "app",
    image,
    args: [SECRET],
    env: [{ name: "PASSWORD", value: SECRET }],
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadataOf(parts),
    spec: {
      ...(parts.init === true
        ? { initContainers: [container], containers: [{ name: "main" }] }
        : { containers: [container] }),
    },
    status: {
      phase,
      message: SECRET,
      ...(reason !== undefined && { reason }),
      conditions: [
        { type: "Ready", status: ready ? "True" : "False", message: SECRET },
        ...(unscheduled === undefined
          ? [{ type: "PodScheduled", status: "True" }]
          : [{ type: "PodScheduled", status: "False", ...unscheduled }]),
      ],
      ...statusesOf(parts),
    },
  };
};

export const waiting = (reason: string, message: string = SECRET): State => ({
  waiting: { reason, message },
});

/** A container that ended; `seconds` is how long it had run. */
export const ended = (exitCode: number, reason = "Error", seconds = 5): State => ({
  terminated: {
    exitCode,
    reason,
    startedAt: "2026-11-22T09:30:00Z",
    finishedAt: `2026-11-22T09:${String(30 + Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}Z`,
    // What the program wrote last.
    ...{ message: SECRET },
  },
});

export const running = (startedAt: string): { running: Running } => ({ running: { startedAt } });
