// SPDX-License-Identifier: Apache-2.0
// How an object goes: at once, or marked as deleted until its finalizers are gone.

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

/** Deletes an object, or marks it where finalizers hold it. Throws 409 when a precondition fails. */
export const deleteObject = (
  ctx: ApiContext,
  kind: ResourceKind,
  object: KubeObject,
  options: DeleteOptions,
): Deletion => {
  const { metadata } = object;
  const { uid, resourceVersion } = options.preconditions ?? {};
  const name = metadata.name ?? "";
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      kind,
      name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
  }
  const dryRun = options.dryRun?.includes("All") === true;
  const finalizers = finalizersFor(object, options);
  const holds = finalizers.length > 0 || kindHolds(kind, object);
  if (!holds) {
    if (dryRun) return { gone: true, object };
    return { gone: true, object: ctx.store.remove(bucketOf(kind), object) ?? object };
  }
  const marked = copy(object);
  if (finalizers.length > 0) marked.metadata.finalizers = finalizers;
  else delete marked.metadata.finalizers;
  if (!marked.metadata.deletionTimestamp) {
    marked.metadata.deletionTimestamp = rfc3339(ctx.now());
    if (!isNamespace(kind)) marked.metadata.deletionGracePeriodSeconds = 0;
    if (marked.metadata.generation) marked.metadata.generation += 1;
    if (isNamespace(kind)) marked.status = { phase: "Terminating" };
  }
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
