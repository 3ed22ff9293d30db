// SPDX-License-Identifier: Apache-2.0
// Deletes the content of what is being deleted: a namespace's objects, a CustomResourceDefinition's resources.
import type { ApiContext } from "./api-request.ts";
import { copy, valueAt } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { deleteObject } from "./object-deletion.ts";
import { bucketOf, type ResourceKind } from "./registry.ts";
import type { StoreEvent } from "./store.ts";

const namespaceBucket = "/namespaces";
const definitionBucket = "apiextensions.k8s.io/customresourcedefinitions";
/** Holds a CustomResourceDefinition until its resources are gone. */
export const definitionFinalizer = "customresourcecleanup.apiextensions.k8s.io";

/** Runs until the answer is called. */
export const startContentCleanup = (ctx: ApiContext): (() => void) => {
  let scheduled: NodeJS.Immediate | undefined;
  const pass = () => {
    scheduled = undefined;
    for (const namespace of ctx.store.list(namespaceBucket)) {
      if (namespace.metadata.deletionTimestamp) emptyNamespace(ctx, namespace);
    }
    for (const definition of ctx.store.list(definitionBucket)) {
      if (definition.metadata.deletionTimestamp) emptyDefinition(ctx, definition);
    }
  };
  const unsubscribe = ctx.store.subscribe((event: StoreEvent) => {
    const starts = event.object.metadata.deletionTimestamp !== undefined;
    const isContent = event.bucket !== namespaceBucket && event.bucket !== definitionBucket;
    if (starts || (event.type === "DELETED" && isContent)) scheduled ??= setImmediate(pass);
  });
  return () => {
    unsubscribe();
    clearImmediate(scheduled);
  };
};

const deleteAll = (ctx: ApiContext, kind: ResourceKind, namespace: string | undefined): number => {
  for (const object of ctx.store.list(bucketOf(kind), namespace)) {
    if (!object.metadata.deletionTimestamp) {
      deleteObject(ctx, kind, object, { propagationPolicy: "Background" });
    }
  }
  return ctx.store.list(bucketOf(kind), namespace).length;
};

const emptyNamespace = (ctx: ApiContext, namespace: KubeObject): void => {
  const kinds = new Map(
    ctx.registry
      .all()
      .filter((kind) => kind.namespaced)
      .map((kind) => [bucketOf(kind), kind]),
  );
  let left = 0;
  for (const kind of kinds.values()) left += deleteAll(ctx, kind, namespace.metadata.name);
  if (left > 0) return;
  const emptied = copy(namespace);
  emptied.spec = {};
  if ((emptied.metadata.finalizers ?? []).length === 0) ctx.store.remove(namespaceBucket, emptied);
  else if (valueAt(namespace, ["spec", "finalizers"]) !== undefined) ctx.store.put(namespaceBucket, emptied);
};

const emptyDefinition = (ctx: ApiContext, definition: KubeObject): void => {
  if (!definition.metadata.finalizers?.includes(definitionFinalizer)) return;
  const { name } = definition.metadata;
  const kind = ctx.registry.all().find((entry) => `${entry.plural}.${entry.group}` === name);
  if (kind && deleteAll(ctx, kind, undefined) > 0) return;
  const emptied = copy(definition);
  const kept = definition.metadata.finalizers.filter((finalizer) => finalizer !== definitionFinalizer);
  if (kept.length === 0) {
    delete emptied.metadata.finalizers;
    ctx.store.remove(definitionBucket, emptied);
  } else {
    emptied.metadata.finalizers = kept;
    ctx.store.put(definitionBucket, emptied);
  }
};
