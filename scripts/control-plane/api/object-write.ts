// SPDX-License-Identifier: Apache-2.0
// Creates and updates objects: defaults, validation, generation, managed fields, storage.

import { randomUUID } from "node:crypto";
import { rfc3339 } from "../../../server/time.ts";
import type { ApiContext, WriteOptions } from "./api-request.ts";
import { alreadyExists, badRequest, conflict, invalid, modifiedMeanwhile } from "./api-status.ts";
import { trackUpdate } from "./apply/managed-fields.ts";
import { copy, equal, type JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { refuseMissingNamespace } from "./namespace-admission.ts";
import { apiVersionOf, bucketOf, type ResourceKind } from "./registry.ts";
import { applyDefaults } from "./schema/defaults.ts";
import { objectFaults } from "./validation/object-validation.ts";
import { prepareInput } from "./validation/prepare-input.ts";
import { checkFields } from "./validation/unknown-fields.ts";

/** Everything but metadata and (with the subresource) status: what generation counts. */
const generationContent = (kind: ResourceKind, object: KubeObject): JsonObject => {
  const { metadata: _, apiVersion: _version, status, ...content } = object;
  return kind.statusSubresource ? content : { ...content, status };
};

const conform = (kind: ResourceKind, object: KubeObject): void => {
  if (object.apiVersion !== apiVersionOf(kind) || object.kind !== kind.kind) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersionOf(kind)}) of kind ${kind.kind}`,
    );
  }
};

const completeAndCheck = (
  ctx: ApiContext,
  kind: ResourceKind,
  object: KubeObject,
  old: KubeObject | undefined,
): void => {
  applyDefaults(object, kind.schema);
  kind.behaviour.setDefaults?.(object);
  kind.behaviour.prepare?.(object, old, ctx.now());
  const faults = objectFaults(kind, object, old);
  if (faults.length > 0) throw invalid(kind, object.metadata.name ?? "", faults);
};

/** Creates an object; answers it as stored. Throws 400, 403, 404, 409 and 422. */
export const createObject = (
  ctx: ApiContext,
  kind: ResourceKind,
  namespace: string | undefined,
  input: KubeObject,
  options: WriteOptions,
  track: typeof trackUpdate = trackUpdate,
): KubeObject => {
  const object = copy(input);
  conform(kind, object);
  const { metadata } = object;
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (namespace) metadata.namespace = namespace;
  if (!metadata.name && metadata.generateName) {
    metadata.name = `${metadata.generateName}${randomUUID().slice(0, 5)}`;
  }
  if (metadata.resourceVersion) {
    throw badRequest("resourceVersion should not be set on objects to be created");
  }
  refuseMissingNamespace(ctx, kind, object);
  prepareInput(kind, object);
  checkFields(kind, object, options);
  if (kind.statusSubresource) delete object.status;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = rfc3339(ctx.now());
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.generation;
  if (kind.countsGeneration) metadata.generation = 1;
  completeAndCheck(ctx, kind, object, undefined);
  const name = metadata.name ?? "";
  if (ctx.store.get(bucketOf(kind), namespace, name)) throw alreadyExists(kind, name);
  track(kind, undefined, object, { ...options, subresource: undefined, now: ctx.now() });
  return options.dryRun ? object : ctx.store.put(bucketOf(kind), object);
};

const keepImmutableMetadata = (object: KubeObject, old: KubeObject): void => {
  const { metadata } = object;
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation } = old.metadata;
  metadata.resourceVersion = old.metadata.resourceVersion ?? "";
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.generation;
  if (uid !== undefined) metadata.uid = uid;
  if (creationTimestamp !== undefined) metadata.creationTimestamp = creationTimestamp;
  if (deletionTimestamp !== undefined) metadata.deletionTimestamp = deletionTimestamp;
  if (deletionGracePeriodSeconds !== undefined) {
    metadata.deletionGracePeriodSeconds = deletionGracePeriodSeconds;
  }
  if (generation !== undefined) metadata.generation = generation;
};

/** The object as a write to its main resource or to its status may change it. */
const permittedChange = (
  kind: ResourceKind,
  object: KubeObject,
  old: KubeObject,
  subresource: string | undefined,
): KubeObject => {
  if (!kind.statusSubresource) return object;
  if (subresource === "status") {
    const { status } = object;
    const { managedFields } = object.metadata;
    // A built-in kind's status write may also change annotations; a custom resource's changes nothing else.
    const metadata = kind.custom
      ? { ...old.metadata, ...(managedFields ? { managedFields } : {}) }
      : { ...object.metadata, ...(old.metadata.labels ? { labels: old.metadata.labels } : {}) };
    const { status: _, ...rest } = old;
    return {
      ...rest,
      metadata,
      apiVersion: object.apiVersion,
      kind: object.kind,
      ...(status === undefined ? {} : { status }),
    };
  }
  const { status: _, ...rest } = object;
  return {
    ...rest,
    metadata: object.metadata,
    apiVersion: object.apiVersion,
    kind: object.kind,
    ...(old.status === undefined ? {} : { status: old.status }),
  };
};

/** Throws 400 or 409 where `input` is not a next version of `old`. */
const refuseOthers = (kind: ResourceKind, old: KubeObject, input: KubeObject): void => {
  const name = old.metadata.name ?? "";
  const { name: given, namespace, resourceVersion, uid } = input.metadata;
  if (given !== undefined && given !== name) {
    throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
  }
  if (namespace && namespace !== old.metadata.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (uid && uid !== old.metadata.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
  if (resourceVersion && resourceVersion !== "0" && resourceVersion !== old.metadata.resourceVersion) {
    throw modifiedMeanwhile(kind, name);
  }
};

/** Replaces an object or its status; a write that changes nothing keeps the version. */
export const updateObject = (
  ctx: ApiContext,
  kind: ResourceKind,
  old: KubeObject,
  input: KubeObject,
  options: WriteOptions & { subresource: string | undefined },
  track: typeof trackUpdate = trackUpdate,
): KubeObject => {
  conform(kind, input);
  refuseOthers(kind, old, input);
  const cleaned = copy(input);
  cleaned.metadata.name = old.metadata.name ?? "";
  if (old.metadata.namespace) cleaned.metadata.namespace = old.metadata.namespace;
  prepareInput(kind, cleaned);
  checkFields(kind, cleaned, options);
  const object = permittedChange(kind, cleaned, old, options.subresource);
  keepImmutableMetadata(object, old);
  completeAndCheck(ctx, kind, object, old);
  const changed = !equal(generationContent(kind, object), generationContent(kind, old));
  if (kind.countsGeneration && changed && options.subresource !== "status") {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  track(kind, old, object, { ...options, now: ctx.now() });
  if (equal(object, old)) return copy(old);
  if (options.dryRun) return object;
  if (object.metadata.deletionTimestamp && (object.metadata.finalizers ?? []).length === 0) {
    return ctx.store.remove(bucketOf(kind), object) ?? object;
  }
  return ctx.store.put(bucketOf(kind), object);
};
