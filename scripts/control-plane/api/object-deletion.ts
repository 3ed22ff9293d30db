// SPDX-License-Identifier: Apache-2.0
// Deletes an object: at once, or by a deletionTimestamp until its finalizers are gone.

import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { rfc3339 } from "../../../server/time.ts";
import type { ApiContext } from "./api-request.ts";
import { badRequest, conflict } from "./api-status.ts";
import { copy, equal, type Json } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { bucketOf, type ResourceKind } from "./registry.ts";

/** metav1.DeleteOptions, as far as this server reads it. */
export const DeleteOptions = Type.Object({
  propagationPolicy: Type.Optional(
    Type.Union([Type.Literal("Background"), Type.Literal("Foreground"), Type.Literal("Orphan")]),
  ),
  orphanDependents: Type.Optional(Type.Boolean()),
  gracePeriodSeconds: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
  dryRun: Type.Optional(Type.Array(Type.String())),
  preconditions: Type.Optional(
    Type.Object({ uid: Type.Optional(Type.String()), resourceVersion: Type.Optional(Type.String()) }),
  ),
});
export type DeleteOptions = Static<typeof DeleteOptions>;

/** The options of a DELETE request, from its body and its query. */
export const deleteOptions = (body: Json | undefined, query: URLSearchParams): DeleteOptions => {
  const given = body ?? {};
  if (!Value.Check(DeleteOptions, given)) {
    const fault = [...Value.Errors(DeleteOptions, given)].at(0);
    throw badRequest(`DeleteOptions: ${fault?.path ?? ""}: ${fault?.message ?? "invalid"}`);
  }
  const policy = given.propagationPolicy ?? query.get("propagationPolicy") ?? undefined;
  const merged = {
    ...given,
    ...(policy ? { propagationPolicy: policy } : {}),
    ...(query.has("dryRun") ? { dryRun: query.getAll("dryRun") } : {}),
  };
  if (!Value.Check(DeleteOptions, merged)) throw badRequest(`invalid propagationPolicy: "${policy}"`);
  return merged;
};

const collectorFinalizers = new Set(["orphan", "foregroundDeletion"]);

const finalizersFor = (object: KubeObject, options: DeleteOptions): string[] => {
  const current = object.metadata.finalizers ?? [];
  const policy = options.propagationPolicy ?? (options.orphanDependents ? "Orphan" : undefined);
  if (policy === undefined) return current;
  const kept = current.filter((name) => !collectorFinalizers.has(name));
  if (policy === "Orphan") return [...kept, "orphan"];
  if (policy === "Foreground") return [...kept, "foregroundDeletion"];
  return kept;
};

export type Deletion = { gone: true; object: KubeObject } | { gone: false; object: KubeObject };

/** Throws 409 where the object is not the one, or not the version, that the request means. */
const refuseOthers = (kind: ResourceKind, { metadata }: KubeObject, options: DeleteOptions): void => {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const refuse = (what: string, wanted: string, found: string | undefined) =>
    conflict(
      kind,
      metadata.name ?? "",
      `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${found}`,
    );
  if (uid !== undefined && uid !== metadata.uid) throw refuse("UID", uid, metadata.uid);
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw refuse("ResourceVersion", resourceVersion, metadata.resourceVersion);
  }
};

/** The object as one that is deleted and that `finalizers` hold. */
const markedAsDeleted = (
  kind: ResourceKind,
  object: KubeObject,
  finalizers: string[],
  now: Date,
): KubeObject => {
  const marked = copy(object);
  const { metadata } = marked;
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
  if (metadata.deletionTimestamp) return marked;
  metadata.deletionTimestamp = rfc3339(now);
  if (metadata.generation) metadata.generation += 1;
  if (isNamespace(kind)) marked.status = { phase: "Terminating" };
  else metadata.deletionGracePeriodSeconds = 0;
  return marked;
};

/** Deletes an object, or marks it where finalizers hold it. Throws 409 when a precondition fails. */
export const deleteObject = (
  ctx: ApiContext,
  kind: ResourceKind,
  object: KubeObject,
  options: DeleteOptions,
): Deletion => {
  refuseOthers(kind, object, options);
  const dryRun = options.dryRun?.includes("All") === true;
  const finalizers = finalizersFor(object, options);
  const holds = finalizers.length > 0 || kindHolds(kind, object);
  if (!holds) {
    if (dryRun) return { gone: true, object };
    return { gone: true, object: ctx.store.remove(bucketOf(kind), object) ?? object };
  }
  const marked = markedAsDeleted(kind, object, finalizers, ctx.now());
  if (dryRun || equal(marked, object)) return { gone: false, object: marked };
  return { gone: false, object: ctx.store.put(bucketOf(kind), marked) };
};

const isNamespace = (kind: ResourceKind): boolean => kind.group === "" && kind.plural === "namespaces";

/** A namespace is held by spec.finalizers until its content is gone. */
const kindHolds = (kind: ResourceKind, object: KubeObject): boolean => {
  if (!isNamespace(kind)) return false;
  const spec = object.spec;
  const finalizers = typeof spec === "object" && spec !== null && !Array.isArray(spec) ? spec.finalizers : [];
  return Array.isArray(finalizers) && finalizers.length > 0;
};
