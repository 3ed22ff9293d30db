// SPDX-License-Identifier: Apache-2.0
// POST and PUT: create, replace, and the status and scale subresources.
import type { ApiContext, ApiRequest, Reply } from "../api-request.ts";
import { badRequest, modifiedMeanwhile } from "../api-status.ts";
import { isObject, stringOf, valueAt } from "../json.ts";
import { asKubeObject } from "../kube-object.ts";
import { createObject, updateObject } from "../object-write.ts";
import { apiVersionOf } from "../registry.ts";
import { applyScale, scaleOf } from "../scale.ts";
import { storedObject } from "./read.ts";

const bodyObject = (request: ApiRequest) => {
  const { kind, body } = request;
  if (body === undefined) throw badRequest("the request has no body");
  return asKubeObject(body, { apiVersion: apiVersionOf(kind), kind: kind.kind });
};

export const create = (ctx: ApiContext, request: ApiRequest): Reply => {
  const { kind, namespace, options } = request;
  const input = bodyObject(request);
  if (kind.namespaced && namespace === undefined) {
    throw badRequest("an empty namespace may not be set during creation");
  }
  return { reply: "object", code: 201, kind, object: createObject(ctx, kind, namespace, input, options) };
};

export const replace = (ctx: ApiContext, request: ApiRequest): Reply => {
  const { kind, subresource, options, body } = request;
  const old = storedObject(ctx, request);
  if (subresource === "scale") {
    if (!isObject(body)) throw badRequest("the request has no Scale");
    const expected = stringOf(valueAt(body, ["metadata", "resourceVersion"]));
    if (expected && expected !== old.metadata.resourceVersion) {
      throw modifiedMeanwhile(kind, old.metadata.name ?? "");
    }
    const scaled = structuredClone(old);
    applyScale(kind, scaled, body);
    const stored = updateObject(ctx, kind, old, scaled, { ...options, subresource });
    return { reply: "body", code: 200, body: scaleOf(kind, stored) };
  }
  const object = updateObject(ctx, kind, old, bodyObject(request), { ...options, subresource });
  return { reply: "object", code: 200, kind, object };
};
