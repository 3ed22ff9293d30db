// SPDX-License-Identifier: Apache-2.0
// Replaces the Deployment controller and the kubelets: runs no pods, but gives each Deployment the status it would have.

import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { rfc3339 } from "../../../server/time.ts";
import { equal, type JsonObject, toJson } from "../api/json.ts";
import { keyOf } from "../api/kube-object.ts";
import { createKubeClient, type KubeObject, type ResourceInfo } from "../client.ts";
import { updateAtomically } from "./atomic-update.ts";
import { deploymentStatus, type PodCounts, replicaSetName } from "./deployment-status.ts";
import { type EngineLog, silent } from "./engine-log.ts";
import { startInformer } from "./informer.ts";
import { createWorkQueue, type Verdict } from "./work-queue.ts";

export type DeploymentControllerOptions = {
  apiUrl: string;
  /** How long pods take to come up or to go, in milliseconds; `never` leaves new pods unready for ever. */
  readyAfterMs?: number | "never";
  log?: EngineLog;
  now?: () => Date;
};

export type DeploymentController = {
  /** Resolves when every Deployment has the status of its spec, delays included. */
  settled: () => Promise<void>;
  close: () => Promise<void>;
};

const deployments: ResourceInfo = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
  hasStatus: true,
};
const REVISION = "deployment.kubernetes.io/revision";
// How long pods that are never ready take to go.
const REMOVAL_MS = 100;

const Spec = Type.Object({
  replicas: Type.Optional(Type.Integer({ minimum: 0 })),
  template: Type.Unknown(),
  strategy: Type.Optional(
    Type.Object({
      rollingUpdate: Type.Optional(
        Type.Object({ maxUnavailable: Type.Optional(Type.Union([Type.Integer(), Type.String()])) }),
      ),
    }),
  ),
});
const Count = Type.Optional(Type.Integer());
const Text = Type.String();
const Status = Type.Object({
  observedGeneration: Count,
  replicas: Count,
  updatedReplicas: Count,
  readyReplicas: Count,
  conditions: Type.Optional(
    Type.Array(
      Type.Object({
        type: Text,
        status: Text,
        reason: Text,
        message: Text,
        lastUpdateTime: Text,
        lastTransitionTime: Text,
      }),
    ),
  ),
});

/** Starts the controller; it writes as `kube-controller-manager`. */
export const startDeploymentController = (options: DeploymentControllerOptions): DeploymentController => {
  const { readyAfterMs = 200, log = silent, now = () => new Date() } = options;
  const client = createKubeClient(options.apiUrl, "kube-controller-manager");
  const informer = startInformer(client, deployments);
  // When a Deployment's pods will have come or gone, by uid.
  const arrivals = new Map<string, { generation: number; at: number }>();

  const work = async (key: string): Promise<Verdict> => {
    const object = informer.get(key);
    if (!object || object.metadata.deletionTimestamp) return { kind: "done" };
    const { uid = "", generation = 1 } = object.metadata;
    const read = readDeployment(object);
    if (!read) {
      log.warn({ deployment: key }, "a Deployment that can't be read");
      return { kind: "done" };
    }
    const { desired } = read;
    const known = arrivals.get(uid);
    const arrival =
      known?.generation === generation
        ? known
        : { generation, at: performance.now() + delayMs(readyAfterMs, read) };
    arrivals.set(uid, arrival);
    const left = arrival.at - performance.now();
    const pods = podsAfter(read, left <= 0, readyAfterMs === "never");
    const written = await updateAtomically(client, {
      resource: deployments,
      original: object,
      subresource: "status",
      change: (fresh) => changeStatus(fresh, pods, rfc3339(now())),
    });
    if (!written.ok && written.status !== 404) return { kind: "retry" };
    const moving = pods.actual !== desired || (pods.ready !== desired && readyAfterMs !== "never");
    return moving && left > 0 ? { kind: "after", ms: left } : { kind: "done" };
  };
  const queue = createWorkQueue({ workers: 4, work });
  const enqueue = (object: KubeObject) => queue.add(keyOf(object));
  informer.subscribe({
    added: enqueue,
    updated: (old, current) => {
      if (old.metadata.generation !== current.metadata.generation) enqueue(current);
    },
    deleted: ({ metadata }) => arrivals.delete(metadata.uid ?? ""),
  });

  const isSettled = (object: KubeObject): boolean => {
    const read = readDeployment(object);
    if (!read) return true;
    const { desired, status } = read;
    const ready = readyAfterMs === "never" ? 0 : desired;
    const observed = status.observedGeneration === (object.metadata.generation ?? 1);
    return observed && (status.replicas ?? 0) === desired && (status.readyReplicas ?? 0) >= ready;
  };

  return {
    settled: async () => {
      for (;;) {
        await queue.idle();
        if ((await informer.caughtUp()) && !queue.busy() && informer.list().every(isSettled)) return;
        await new Promise<void>((resolve) => setTimeout(resolve, 10));
      }
    },
    close: async () => {
      await queue.close();
      informer.close();
      await client.close();
    },
  };
};

type Read = {
  desired: number;
  template: Static<typeof Spec>["template"];
  maxUnavailable: number | string;
  status: Static<typeof Status>;
};

const readDeployment = (object: KubeObject): Read | undefined => {
  const { spec, status = {} } = object;
  if (!Value.Check(Spec, spec) || !Value.Check(Status, status)) return undefined;
  const { replicas = 1, template, strategy } = spec;
  return {
    desired: replicas,
    template,
    maxUnavailable: strategy?.rollingUpdate?.maxUnavailable ?? "25%",
    status,
  };
};

const delayMs = (readyAfterMs: number | "never", { desired, status }: Read): number => {
  if (desired === (status.replicas ?? 0) && desired === (status.readyReplicas ?? 0)) return 0;
  return readyAfterMs === "never" ? REMOVAL_MS : readyAfterMs;
};

/** New pods are there at once and ready at arrival; pods to be removed are there until then. */
const podsAfter = ({ desired, status }: Read, arrived: boolean, neverReady: boolean): PodCounts => {
  const actual = arrived ? desired : Math.max(desired, status.replicas ?? 0);
  const before = Math.min(status.readyReplicas ?? 0, actual);
  return { desired, actual, ready: arrived && !neverReady ? desired : before };
};

const changeStatus = (fresh: KubeObject, pods: PodCounts, at: string): boolean => {
  const read = readDeployment(fresh);
  if (!read) return false;
  const { name = "", generation = 1, annotations = {} } = fresh.metadata;
  const { conditions = [] } = read.status;
  const template = toJson(read.template);
  const progress = conditions.find(({ type }) => type === "Progressing");
  // Another template is another ReplicaSet: a new rollout, and a new revision.
  const another = progress !== undefined && !progress.message.includes(`"${replicaSetName(name, template)}"`);
  const status: JsonObject = deploymentStatus({
    name,
    generation,
    template,
    pods,
    maxUnavailable: read.maxUnavailable,
    previous: {
      updatedReplicas: another ? 0 : (read.status.updatedReplicas ?? 0),
      readyReplicas: read.status.readyReplicas ?? 0,
      conditions: another ? conditions.filter(({ type }) => type !== "Progressing") : conditions,
    },
    at,
  });
  const revision = Number(annotations[REVISION] ?? "0");
  const next = String(Math.max(revision + (another ? 1 : 0), 1));
  if (equal(fresh.status, status) && annotations[REVISION] === next) return false;
  fresh.status = status;
  fresh.metadata.annotations = { ...annotations, [REVISION]: next };
  return true;
};
