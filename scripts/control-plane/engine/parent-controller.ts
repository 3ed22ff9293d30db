// SPDX-License-Identifier: Apache-2.0
// One running CompositeController: watches its parents and children, and puts the parents they concern on its queue.
import { equal, type Json } from "../api/json.ts";
import { keyOf } from "../api/kube-object.ts";
import type { KubeClient, KubeObject } from "../client.ts";
import { applyDynamically } from "./apply-dynamic.ts";
import type { ServerSideApply } from "./apply-server-side.ts";
import { childSubscriber } from "./child-events.ts";
import { controllerSpec, shownController } from "./composite-controller.ts";
import { openHooks } from "./controller-hooks.ts";
import type { Discovery } from "./discovery.ts";
import type { EngineLog } from "./engine-log.ts";
import type { EventRecorder } from "./event-recorder.ts";
import { finalizerName } from "./finalizer.ts";
import { connectionReader } from "./hook-connection.ts";
import type { ResolveService } from "./hook-transport.ts";
import type { InformerPool } from "./informer.ts";
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

/** Starts a controller for a CompositeController; its hooks' credentials are read now. */
export const startParentController = async (
  services: ControllerServices,
  object: KubeObject,
): Promise<Outcome<ParentController>> => {
  const { client, discovery, pool, events, log } = services;
  const name = object.metadata.name ?? "";
  const checked = controllerSpec(object);
  if (!checked.ok) return checked;
  const spec = checked.value;
  const parentResource = await discovery.byPlural(
    spec.parentResource.apiVersion,
    spec.parentResource.resource,
  );
  if (!parentResource.ok) return parentResource;
  if (!parentResource.value.hasStatus) {
    return fault(
      `parent resource ${spec.parentResource.resource} does not have subresource 'Status' enabled`,
    );
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

  const { resolveService, now } = services;
  const readConnection = connectionReader(client, discovery, spec);
  const hooks = await openHooks(spec, { readConnection, resolveService, now });
  if (!hooks.ok) return hooks;

  const parents = pool.acquire(parentResource.value);
  const children = childResources.map((resource) => pool.acquire(resource));
  const controller = shownController(object);
  const finalizer = { name: finalizerName(name), wanted: hooks.value.finalize !== undefined };

  const enqueue = (parent: KubeObject) => {
    if (concerns({ spec, finalizer }, parent)) queue.add(keyOf(parent));
  };
  const related = createRelatedObjects({
    hook: hooks.value.customize,
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
    parentResource: parentResource.value,
    finalizer,
    controller,
    hooks: hooks.value,
    children: children.map(({ informer }) => informer),
    related,
    manager: {
      client,
      discovery,
      apply: services.applyStrategy === "dynamic-apply" ? applyDynamically : services.serverSideApply.apply,
      forget: services.serverSideApply.forget,
    },
    syncAgainAfter: (parent, seconds) => queue.addAfter(keyOf(parent), seconds * 1_000),
  };

  const work = async (key: string): Promise<Verdict> => {
    const parent = parents.informer.get(key);
    if (!parent) return { kind: "done" };
    const begun = performance.now();
    const result = await syncParent(context, parent);
    const { apiVersion, kind, metadata } = parent;
    const { namespace, name: parentName = "" } = metadata;
    const record = {
      controller: name,
      parent: { apiVersion, kind, ...(namespace ? { namespace } : {}), name: parentName },
      milliseconds: performance.now() - begun,
    };
    if (result.ok) {
      services.onSync({ ...record, hook: result.value, outcome: "synced" });
      return { kind: "done" };
    }
    const { message, afterSeconds } = result;
    const limited = afterSeconds !== undefined;
    services.onSync({
      ...record,
      hook: "failed",
      outcome: limited ? "too-many-requests" : "failed",
      message,
    });
    if (limited) {
      const about = { controller: name, parent: key, second: afterSeconds };
      log.info(about, "Resync due to too many request for sync hooks");
      return { kind: "after", ms: afterSeconds * 1_000 };
    }
    log.error({ controller: name, error: `failed to sync ${kind} '${key}': ${message}` }, "Unhandled Error");
    events.record(parent, "Warning", "SyncError", `Sync error: ${message}`);
    return { kind: "retry" };
  };
  const queue = createWorkQueue({ workers: services.workers, work });

  const parentChanged = (old: KubeObject, current: KubeObject) => {
    if (spec.parentResource.ignoreStatusChanges && !isMoreThanStatus(old, current)) return;
    enqueue(current);
  };

  const ofChildren = childSubscriber({
    spec,
    parentResource: parentResource.value,
    parents: parents.informer,
    enqueue,
  });
  await Promise.all([parents, ...children].map(({ informer }) => informer.synced));
  const unsubscribes = [
    parents.informer.subscribe({
      added: enqueue,
      updated: parentChanged,
      deleted: (parent) => {
        related.forget(parent);
        enqueue(parent);
      },
    }),
    ...children.map(({ informer }) => informer.subscribe(ofChildren)),
  ];
  const resync = () => {
    for (const parent of parents.informer.list()) parentChanged(parent, parent);
  };
  const { resyncPeriodSeconds } = spec;
  const timer =
    resyncPeriodSeconds === undefined
      ? undefined
      : setInterval(resync, Math.max(resyncPeriodSeconds, 1) * 1_000);

  return ok({
    object,
    busy: queue.busy,
    idle: queue.idle,
    close: async () => {
      clearInterval(timer);
      for (const unsubscribe of unsubscribes) unsubscribe();
      await queue.close();
      related.close();
      for (const { release } of [parents, ...children]) release();
      hooks.value.close();
    },
  });
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
