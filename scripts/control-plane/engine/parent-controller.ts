// SPDX-License-Identifier: Apache-2.0
// One running CompositeController: watches its parents and children, and puts the parents they concern on its queue.
import { equal, type Json } from "../api/json.ts";
import { keyOf } from "../api/kube-object.ts";
import type { KubeClient, KubeObject, ResourceInfo } from "../client.ts";
import { applyDynamically } from "./apply-dynamic.ts";
import type { ServerSideApply } from "./apply-server-side.ts";
import { childSubscriber } from "./child-events.ts";
import { type ControllerSpec, controllerSpec, shownController } from "./composite-controller.ts";
import { type ControllerHooks, openHooks } from "./controller-hooks.ts";
import type { Discovery } from "./discovery.ts";
import type { EngineLog } from "./engine-log.ts";
import type { EventRecorder } from "./event-recorder.ts";
import { finalizerName } from "./finalizer.ts";
import { connectionReader } from "./hook-connection.ts";
import type { ResolveService } from "./hook-transport.ts";
import type { Informer, InformerPool } from "./informer.ts";
import { fault, type Outcome, ok } from "./outcome.ts";
import { createRelatedObjects } from "./related-objects.ts";
import { concerns, type HookCalled, type SyncContext, syncParent } from "./sync-parent.ts";
import { createWorkQueue, type Verdict } from "./work-queue.ts";

export type ApplyStrategy = "server-side-apply" | "dynamic-apply";

/** How one sync of a parent ended. */
export type SyncRecord = {
  controller: string;
  parent: { apiVersion: string; kind: string; namespace?: string; name: string };
  hook: HookCalled | "failed";
  outcome: "synced" | "too-many-requests" | "failed";
  message?: string;
  milliseconds: number;
};

export type ControllerServices = {
  client: KubeClient;
  discovery: Discovery;
  pool: InformerPool;
  events: EventRecorder;
  serverSideApply: ServerSideApply;
  applyStrategy: ApplyStrategy;
  resolveService?: ResolveService | undefined;
  workers: number;
  log: EngineLog;
  now: () => Date;
  onSync: (record: SyncRecord) => void;
};

export type ParentController = {
  object: KubeObject;
  busy: () => boolean;
  idle: () => Promise<void>;
  close: () => Promise<void>;
};

/** What a controller works with, found or made when it starts. */
type Parts = {
  name: string;
  spec: ControllerSpec;
  parentResource: ResourceInfo;
  childResources: ResourceInfo[];
  hooks: ControllerHooks;
};

/** Finds the resources and opens the hooks, in this order; a fault says which is not there. */
const partsOf = async (services: ControllerServices, object: KubeObject): Promise<Outcome<Parts>> => {
  const { client, discovery, resolveService, now } = services;
  const checked = controllerSpec(object);
  if (!checked.ok) return checked;
  const spec = checked.value;
  const { apiVersion, resource } = spec.parentResource;
  const parentResource = await discovery.byPlural(apiVersion, resource);
  if (!parentResource.ok) return parentResource;
  if (!parentResource.value.hasStatus) {
    return fault(`parent resource ${resource} does not have subresource 'Status' enabled`);
  }
  const childResources = [];
  for (const { apiVersion, resource } of spec.childResources ?? []) {
    const found = await discovery.byPlural(apiVersion, resource);
    if (!found.ok) {
      const client = `can't create client for ${resource}.${apiVersion} shared informer`;
      return fault(`can't create informer for child resource: ${client}: ${found.message}`);
    }
    childResources.push(found.value);
  }
  const readConnection = connectionReader(client, discovery, spec);
  const hooks = await openHooks(spec, { readConnection, resolveService, now });
  if (!hooks.ok) return hooks;
  const name = object.metadata.name ?? "";
  return ok({ name, spec, parentResource: parentResource.value, childResources, hooks: hooks.value });
};

/** Syncs the parent and tells the log, the events and `onSync` how it went. */
const report = async (
  { onSync, log, events }: ControllerServices,
  controller: string,
  context: SyncContext,
  parent: KubeObject,
): Promise<Verdict> => {
  const begun = performance.now();
  const result = await syncParent(context, parent);
  const { apiVersion, kind, metadata } = parent;
  const { namespace, name = "" } = metadata;
  const record = {
    controller,
    parent: { apiVersion, kind, ...(namespace ? { namespace } : {}), name },
    milliseconds: performance.now() - begun,
  };
  if (result.ok) {
    onSync({ ...record, hook: result.value, outcome: "synced" });
    return { kind: "done" };
  }
  const { message, afterSeconds } = result;
  if (afterSeconds !== undefined) {
    onSync({ ...record, hook: "failed", outcome: "too-many-requests", message });
    const about = { controller, parent: keyOf(parent), second: afterSeconds };
    log.info(about, "Resync due to too many request for sync hooks");
    return { kind: "after", ms: afterSeconds * 1_000 };
  }
  onSync({ ...record, hook: "failed", outcome: "failed", message });
  log.error(
    { controller, error: `failed to sync ${kind} '${keyOf(parent)}': ${message}` },
    "Unhandled Error",
  );
  events.record(parent, "Warning", "SyncError", `Sync error: ${message}`);
  return { kind: "retry" };
};

/** Starts a controller for a CompositeController; its hooks' credentials are read now. */
export const startParentController = async (
  services: ControllerServices,
  object: KubeObject,
): Promise<Outcome<ParentController>> => {
  const found = await partsOf(services, object);
  return found.ok ? ok(await run(services, object, found.value)) : found;
};

const run = async (
  services: ControllerServices,
  object: KubeObject,
  { name, spec, parentResource, childResources, hooks }: Parts,
): Promise<ParentController> => {
  const { client, discovery, pool, now, serverSideApply } = services;
  const parents = pool.acquire(parentResource);
  const children = childResources.map((resource) => pool.acquire(resource));
  const controller = shownController(object);
  const finalizer = { name: finalizerName(name), wanted: hooks.finalize !== undefined };
  const enqueue = (parent: KubeObject) => {
    if (concerns({ spec, finalizer }, parent)) queue.add(keyOf(parent));
  };
  const related = createRelatedObjects({
    hook: hooks.customize,
    controller,
    discovery,
    pool,
    parents: () => parents.informer.list(),
    enqueue,
    now,
  });
  const context: SyncContext = {
    client,
    spec,
    parentResource,
    finalizer,
    controller,
    hooks,
    children: children.map(({ informer }) => informer),
    related,
    manager: {
      client,
      discovery,
      apply: services.applyStrategy === "dynamic-apply" ? applyDynamically : serverSideApply.apply,
      forget: serverSideApply.forget,
    },
    syncAgainAfter: (parent, seconds) => queue.addAfter(keyOf(parent), seconds * 1_000),
  };
  const queue = createWorkQueue({
    workers: services.workers,
    work: async (key) => {
      const parent = parents.informer.get(key);
      return parent ? report(services, name, context, parent) : { kind: "done" };
    },
  });
  const stopWatching = await startWatching(context, parents.informer, enqueue);
  return {
    object,
    busy: queue.busy,
    idle: queue.idle,
    close: async () => {
      stopWatching();
      await queue.close();
      related.close();
      for (const { release } of [parents, ...children]) release();
      hooks.close();
    },
  };
};

/** Enqueues the parents that changes and the resync period concern. Answers how it ends, once all mirrors are there. */
const startWatching = async (
  { spec, parentResource, children, related }: SyncContext,
  parents: Informer,
  enqueue: (parent: KubeObject) => void,
): Promise<() => void> => {
  const parentChanged = (old: KubeObject, current: KubeObject) => {
    if (spec.parentResource.ignoreStatusChanges && !isMoreThanStatus(old, current)) return;
    enqueue(current);
  };
  const ofChildren = childSubscriber({ spec, parentResource, parents, enqueue });
  await Promise.all([parents, ...children].map(({ synced }) => synced));
  const unsubscribes = [
    parents.subscribe({
      added: enqueue,
      updated: parentChanged,
      deleted: (parent) => {
        related.forget(parent);
        enqueue(parent);
      },
    }),
    ...children.map((informer) => informer.subscribe(ofChildren)),
  ];
  const resync = () => {
    for (const parent of parents.list()) parentChanged(parent, parent);
  };
  const { resyncPeriodSeconds: seconds } = spec;
  const timer = seconds === undefined ? undefined : setInterval(resync, Math.max(seconds, 1) * 1_000);
  return () => {
    clearInterval(timer);
    for (const unsubscribe of unsubscribes) unsubscribe();
  };
};

const isMoreThanStatus = (old: KubeObject, current: KubeObject): boolean => {
  const [before, after] = [old.metadata, current.metadata];
  const same = (one: Json | undefined, other: Json | undefined) => equal(one ?? {}, other ?? {});
  return (
    before.generation !== after.generation ||
    !same(before.labels, after.labels) ||
    !same(before.annotations, after.annotations) ||
    Boolean(after.deletionTimestamp)
  );
};
