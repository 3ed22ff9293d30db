// SPDX-License-Identifier: Apache-2.0
// PATCH: every patch type ends in an update of the patched object; apply may also create it.
import type { ApiContext, ApiRequest, Reply } from "../api-request.ts";
import { ApiError, badRequest, invalid, unsupportedMediaType } from "../api-status.ts";
import { ownershipSchema } from "../apply/managed-fields.ts";
import { applyConfiguration, setManagers } from "../apply/server-side-apply.ts";
import { copy, isObject, type Json } from "../json.ts";
import { asKubeObject, type KubeObject } from "../kube-object.ts";
import { createObject, updateObject } from "../object-write.ts";
import { jsonPatch } from "../patch/json-patch.ts";
import { mergePatch } from "../patch/merge-patch.ts";
import { strategicMerge } from "../patch/strategic-merge.ts";
import { apiVersionOf, bucketOf } from "../registry.ts";
import { applyScale, scaleOf } from "../scale.ts";
import { prune } from "../schema/pruning.ts";
import { invalidValue } from "../validation/faults.ts";
import { prepareInput } from "../validation/prepare-input.ts";
import { inVersion, storedObject } from "./read.ts";

/** Throws 415 for a patch type that the kind does not take. */
const refusePatchType = ({ kind, contentType }: ApiRequest): void => {
  const accepted = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
  ];
  if (!kind.custom) accepted.push("application/strategic-merge-patch+json");
  if (accepted.includes(contentType)) return;
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
};

const patched = ({ kind, contentType }: ApiRequest, target: Json, body: Json): Json => {
  if (contentType === "application/json-patch+json") return jsonPatch(target, body);
  if (contentType === "application/merge-patch+json") return mergePatch(target, body);
  return strategicMerge(target, body, ownershipSchema(kind));
};

/** A patch that brings unknown fields is refused as such, with the patch as the faulty value. */
const refuseUnknownFields = (request: ApiRequest, result: KubeObject, body: Json): void => {
  if (request.options.fieldValidation !== "Strict") return;
  const unknown = prune(copy(result), request.kind.schema, true).map((path) => `unknown field "${path}"`);
  if (unknown.length === 0) return;
  const isSecret = request.kind.group === "" && request.kind.plural === "secrets";
  throw invalid({ group: "", kind: "" }, "", [
    invalidValue(
      "patch",
      isSecret ? "<secret contents redacted>" : JSON.stringify(body),
      `strict decoding error: ${unknown.join(", ")}`,
    ),
  ]);
};

export const patch = (ctx: ApiContext, request: ApiRequest): Reply => {
  const { kind, subresource, options, body } = request;
  refusePatchType(request);
  if (body === undefined) throw badRequest("the request has no body");
  if (request.contentType === "application/apply-patch+yaml") return apply(ctx, request, body);
  const old = storedObject(ctx, request);
  if (subresource === "scale") {
    const scale = patched(request, scaleOf(kind, old), body);
    if (!isObject(scale)) throw badRequest("the patch does not leave a Scale");
    const scaled: KubeObject = copy(old);
    applyScale(kind, scaled, scale);
    const stored = updateObject(ctx, kind, old, scaled, { ...options, subresource });
    return { reply: "body", code: 200, body: scaleOf(kind, stored) };
  }
  const identity = { apiVersion: apiVersionOf(kind), kind: kind.kind };
  const result = asKubeObject(patched(request, old, body), identity);
  refuseUnknownFields(request, result, body);
  const object = updateObject(ctx, kind, old, result, { ...options, subresource });
  return { reply: "object", code: 200, kind, object };
};

const apply = (ctx: ApiContext, request: ApiRequest, body: Json): Reply => {
  const { kind, subresource, options, namespace, name = "" } = request;
  if (!request.query.get("fieldManager")) {
    throw new ApiError(
      422,
      "Invalid",
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
  }
  const config = asKubeObject(body, { apiVersion: apiVersionOf(kind), kind: kind.kind });
  prepareInput(kind, config);
  config.metadata.name ??= name;
  if (namespace) config.metadata.namespace ??= namespace;
  const stored = ctx.store.get(bucketOf(kind), namespace, name);
  const live = stored && inVersion(kind, stored);
  if (!live && subresource !== undefined) storedObject(ctx, request); // 404
  const { object, managers } = applyConfiguration(kind, live, config, {
    ...options,
    subresource,
    now: ctx.now(),
  });
  const track = (_kind: unknown, _old: unknown, result: KubeObject) => setManagers(result, managers);
  if (live) {
    const updated = updateObject(ctx, kind, live, object, { ...options, subresource }, track);
    return { reply: "object", code: 200, kind, object: updated };
  }
  return {
    reply: "object",
    code: 201,
    kind,
    object: createObject(ctx, kind, namespace, object, options, track),
  };
};
