// SPDX-License-Identifier: Apache-2.0
// The garbage collector: deletes what lost its owners, orphans dependents, waits in foreground deletions.
// https://kubernetes.io/docs/concepts/architecture/garbage-collection/
import type { ApiContext } from "./api-request.ts";
import { trackUpdate } from "./apply/managed-fields.ts";
import { copy } from "./json.ts";
import type { KubeObject, OwnerReference } from "./kube-object.ts";
import { deleteObject } from "./object-deletion.ts";
import { bucketOf, type ResourceKind } from "./registry.ts";
import type { StoreEvent } from "./store.ts";

type Place = { bucket: string; namespace: string | undefined; name: string };
const manager = "kube-controller-manager";

/** Runs until the answer is called. Work happens after the request that caused it, in the order of the events. */
export const startGarbageCollector = (ctx: ApiContext, log: (line: string) => void): (() => void) => {
  const dependents = new Map<string, Map<string, Place>>();
  const queue = new Map<string, Place>();
  let scheduled: NodeJS.Immediate | undefined;

  const enqueue = (place: Place) => {
    queue.set(placeKey(place), place);
    scheduled ??= setImmediate(drain);
  };
  const index = (event: StoreEvent) => {
    const place = placeOf(event.bucket, event.object);
    for (const { uid } of event.previous?.metadata.ownerReferences ?? []) {
      dependents.get(uid)?.delete(placeKey(place));
    }
    if (event.type === "DELETED") return;
    for (const { uid } of event.object.metadata.ownerReferences ?? []) {
      const places = dependents.get(uid) ?? new Map<string, Place>();
      dependents.set(uid, places.set(placeKey(place), place));
    }
  };
  const dependentsOf = (owner: KubeObject): Place[] => [
    ...(dependents.get(owner.metadata.uid ?? "")?.values() ?? []),
  ];
  const onEvent = (event: StoreEvent) => {
    index(event);
    const { object } = event;
    if (event.type === "DELETED") {
      for (const place of dependentsOf(object)) enqueue(place);
      for (const owner of object.metadata.ownerReferences ?? []) {
        const found = findOwner(ctx, object, owner);
        if (found.state === "present") enqueue(placeOf(found.bucket, found.object));
      }
    } else if (object.metadata.ownerReferences || object.metadata.deletionTimestamp) {
      enqueue(placeOf(event.bucket, object));
    }
  };
  function drain() {
    scheduled = undefined;
    for (const [key, place] of [...queue]) {
      queue.delete(key);
      try {
        collect(ctx, place, dependentsOf, enqueue);
      } catch (error) {
        log(`garbage collector: ${key}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  const unsubscribe = ctx.store.subscribe(onEvent);
  return () => {
    unsubscribe();
    clearImmediate(scheduled);
  };
};

const placeOf = (bucket: string, object: KubeObject): Place => ({
  bucket,
  namespace: object.metadata.namespace,
  name: object.metadata.name ?? "",
});

const placeKey = ({ bucket, namespace, name }: Place): string => `${bucket} ${namespace ?? ""} ${name}`;

type FoundOwner =
  | { state: "present"; bucket: string; object: KubeObject }
  | { state: "absent" }
  /** The kind is not served, so nobody can say whether the owner is there. */
  | { state: "unknown" };

const findOwner = (ctx: ApiContext, dependent: KubeObject, owner: OwnerReference): FoundOwner => {
  const kind = ctx.registry.findKind(owner.apiVersion, owner.kind);
  if (!kind) return { state: "unknown" };
  // A cluster-scoped dependent can't name a namespaced owner, and owners are never in another namespace.
  const namespace = kind.namespaced ? dependent.metadata.namespace : undefined;
  if (kind.namespaced && namespace === undefined) return { state: "absent" };
  const object = ctx.store.get(bucketOf(kind), namespace, owner.name);
  if (!object || object.metadata.uid !== owner.uid) return { state: "absent" };
  return { state: "present", bucket: bucketOf(kind), object };
};

const hasFinalizer = (object: KubeObject, name: string): boolean =>
  object.metadata.finalizers?.includes(name) === true;

const isForegroundDeletion = (object: KubeObject): boolean =>
  object.metadata.deletionTimestamp !== undefined && hasFinalizer(object, "foregroundDeletion");

const collect = (
  ctx: ApiContext,
  place: Place,
  dependentsOf: (owner: KubeObject) => Place[],
  enqueue: (place: Place) => void,
): void => {
  const object = ctx.store.get(place.bucket, place.namespace, place.name);
  const kind = ctx.registry.findBucket(place.bucket);
  if (!object || !kind) return;
  if (object.metadata.deletionTimestamp) {
    if (hasFinalizer(object, "orphan")) {
      for (const dependent of dependentsOf(object)) releaseDependent(ctx, dependent, object);
      dropFinalizer(ctx, kind, object, "orphan");
      return;
    }
    if (!isForegroundDeletion(object)) return;
    const waiting = dependentsOf(object);
    const blocks = waiting.some((dependent) =>
      ctx.store
        .get(dependent.bucket, dependent.namespace, dependent.name)
        ?.metadata.ownerReferences?.some((ref) => ref.uid === object.metadata.uid && ref.blockOwnerDeletion),
    );
    if (!blocks) dropFinalizer(ctx, kind, object, "foregroundDeletion");
    else for (const dependent of waiting) enqueue(dependent);
    return;
  }
  judgeDependent(ctx, kind, object, dependentsOf);
};

const judgeDependent = (
  ctx: ApiContext,
  kind: ResourceKind,
  object: KubeObject,
  dependentsOf: (owner: KubeObject) => Place[],
): void => {
  const references = object.metadata.ownerReferences ?? [];
  if (references.length === 0) return;
  const found = references.map((reference) => ({ reference, owner: findOwner(ctx, object, reference) }));
  if (found.some(({ owner }) => owner.state === "unknown")) return;
  const isWaiting = (owner: FoundOwner) => owner.state === "present" && isForegroundDeletion(owner.object);
  const solid = found.filter(({ owner }) => owner.state === "present" && !isWaiting(owner));
  if (solid.length === references.length) return;
  if (solid.length > 0) {
    keepOwners(ctx, kind, object, (reference) =>
      solid.some((entry) => entry.reference.uid === reference.uid),
    );
    return;
  }
  const waits = found.some(({ owner }) => isWaiting(owner));
  const propagationPolicy =
    waits && dependentsOf(object).length > 0
      ? "Foreground"
      : hasFinalizer(object, "orphan")
        ? "Orphan"
        : hasFinalizer(object, "foregroundDeletion")
          ? "Foreground"
          : "Background";
  const { uid } = object.metadata;
  deleteObject(ctx, kind, object, { propagationPolicy, ...(uid ? { preconditions: { uid } } : {}) });
};

const releaseDependent = (ctx: ApiContext, place: Place, owner: KubeObject): void => {
  const object = ctx.store.get(place.bucket, place.namespace, place.name);
  const kind = ctx.registry.findBucket(place.bucket);
  if (object && kind) keepOwners(ctx, kind, object, (reference) => reference.uid !== owner.metadata.uid);
};

const keepOwners = (
  ctx: ApiContext,
  kind: ResourceKind,
  object: KubeObject,
  keeps: (reference: OwnerReference) => boolean,
): void => {
  const changed = copy(object);
  const kept = (object.metadata.ownerReferences ?? []).filter(keeps);
  if (kept.length > 0) changed.metadata.ownerReferences = kept;
  else delete changed.metadata.ownerReferences;
  write(ctx, kind, object, changed);
};

const dropFinalizer = (ctx: ApiContext, kind: ResourceKind, object: KubeObject, name: string): void => {
  const changed = copy(object);
  const kept = (object.metadata.finalizers ?? []).filter((finalizer) => finalizer !== name);
  if (kept.length > 0) changed.metadata.finalizers = kept;
  else delete changed.metadata.finalizers;
  if (kept.length === 0) ctx.store.remove(bucketOf(kind), changed);
  else write(ctx, kind, object, changed);
};

const write = (ctx: ApiContext, kind: ResourceKind, old: KubeObject, changed: KubeObject): void => {
  trackUpdate(kind, old, changed, { manager, subresource: undefined, now: ctx.now() });
  ctx.store.put(bucketOf(kind), changed);
};
