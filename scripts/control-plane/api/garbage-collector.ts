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

/** Who names whom as an owner, as the events of the store have told it. */
class Dependents {
  readonly #places = new Map<string, Map<string, Place>>();

  /** What names `owner` as its owner. */
  of(owner: KubeObject): Place[] {
    return [...(this.#places.get(owner.metadata.uid ?? "")?.values() ?? [])];
  }

  take(event: StoreEvent): void {
    const place = placeOf(event.bucket, event.object);
    for (const { uid } of event.previous?.metadata.ownerReferences ?? []) {
      this.#places.get(uid)?.delete(placeKey(place));
    }
    if (event.type === "DELETED") return;
    for (const { uid } of event.object.metadata.ownerReferences ?? []) {
      const places = this.#places.get(uid) ?? new Map<string, Place>();
      this.#places.set(uid, places.set(placeKey(place), place));
    }
  }
}

/** The objects that `event` gives the collector reason to look at. */
const concerned = (ctx: ApiContext, event: StoreEvent, dependents: Dependents): Place[] => {
  const { object } = event;
  const { ownerReferences, deletionTimestamp } = object.metadata;
  if (event.type !== "DELETED") {
    return ownerReferences || deletionTimestamp ? [placeOf(event.bucket, object)] : [];
  }
  const owners = (ownerReferences ?? []).flatMap((owner) => {
    const found = findOwner(ctx, object, owner);
    return found.kind === "present" ? [placeOf(found.bucket, found.object)] : [];
  });
  return [...dependents.of(object), ...owners];
};

/** Runs until the answer is called. Work happens after the request that caused it, in the order of the events. */
export const startGarbageCollector = (ctx: ApiContext, log: (line: string) => void): (() => void) => {
  const dependents = new Dependents();
  const queue = new Map<string, Place>();
  let scheduled: NodeJS.Immediate | undefined;

  const enqueue = (place: Place) => {
    queue.set(placeKey(place), place);
    scheduled ??= setImmediate(drain);
  };
  const drain = () => {
    scheduled = undefined;
    for (const [key, place] of [...queue]) {
      queue.delete(key);
      try {
        collect(ctx, place, (owner) => dependents.of(owner), enqueue);
      } catch (error) {
        log(`garbage collector: ${key}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  const unsubscribe = ctx.store.subscribe((event) => {
    dependents.take(event);
    for (const place of concerned(ctx, event, dependents)) enqueue(place);
  });
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
  | { kind: "present"; bucket: string; object: KubeObject }
  | { kind: "absent" }
  /** The kind is not served, so nobody can say whether the owner is there. */
  | { kind: "unknown" };

const findOwner = (ctx: ApiContext, dependent: KubeObject, owner: OwnerReference): FoundOwner => {
  const kind = ctx.registry.findKind(owner.apiVersion, owner.kind);
  if (!kind) return { kind: "unknown" };
  // A cluster-scoped dependent can't name a namespaced owner, and owners are never in another namespace.
  const namespace = kind.namespaced ? dependent.metadata.namespace : undefined;
  if (kind.namespaced && namespace === undefined) return { kind: "absent" };
  const object = ctx.store.get(bucketOf(kind), namespace, owner.name);
  if (!object || object.metadata.uid !== owner.uid) return { kind: "absent" };
  return { kind: "present", bucket: bucketOf(kind), object };
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
  if (!object.metadata.deletionTimestamp) {
    judgeDependent(ctx, kind, object, dependentsOf);
    return;
  }
  if (hasFinalizer(object, "orphan")) {
    for (const dependent of dependentsOf(object)) releaseDependent(ctx, dependent, object);
    dropFinalizer(ctx, kind, object, "orphan");
    return;
  }
  if (!isForegroundDeletion(object)) return;
  const waiting = dependentsOf(object);
  if (!waiting.some((dependent) => blocksDeletion(ctx, dependent, object))) {
    dropFinalizer(ctx, kind, object, "foregroundDeletion");
  } else for (const dependent of waiting) enqueue(dependent);
};

/** Whether the object at `place` keeps `owner` from going before it. */
const blocksDeletion = (ctx: ApiContext, place: Place, owner: KubeObject): boolean => {
  const references = ctx.store.get(place.bucket, place.namespace, place.name)?.metadata.ownerReferences ?? [];
  return references.some((reference) => reference.uid === owner.metadata.uid && reference.blockOwnerDeletion);
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
  if (found.some(({ owner }) => owner.kind === "unknown")) return;
  const isWaiting = (owner: FoundOwner) => owner.kind === "present" && isForegroundDeletion(owner.object);
  const solid = found.filter(({ owner }) => owner.kind === "present" && !isWaiting(owner));
  if (solid.length === references.length) return;
  if (solid.length > 0) {
    keepOwners(ctx, kind, object, (reference) =>
      solid.some((entry) => entry.reference.uid === reference.uid),
    );
    return;
  }
  const waits = found.some(({ owner }) => isWaiting(owner));
  const propagationPolicy = waits && dependentsOf(object).length > 0 ? "Foreground" : ownPolicy(object);
  const { uid } = object.metadata;
  deleteObject(ctx, kind, object, { propagationPolicy, ...(uid ? { preconditions: { uid } } : {}) });
};

/** How an object's own finalizers have it deleted. */
const ownPolicy = (object: KubeObject): "Orphan" | "Foreground" | "Background" => {
  if (hasFinalizer(object, "orphan")) return "Orphan";
  return hasFinalizer(object, "foregroundDeletion") ? "Foreground" : "Background";
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
