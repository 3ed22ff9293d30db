// SPDX-License-Identifier: Apache-2.0
// GET: one object, a list, or the start of a watch.
import type { ApiContext, ApiRequest, Reply } from "../api-request.ts";
import { badRequest, notFound } from "../api-status.ts";
import type { KubeObject } from "../kube-object.ts";
import { apiVersionOf, bucketOf, type ResourceKind } from "../registry.ts";
import { scaleOf } from "../scale.ts";
import { requestMatcher } from "../selectors.ts";

/** The object in the request's version; versions differ in apiVersion alone. */
export const inVersion = (kind: ResourceKind, object: KubeObject): KubeObject =>
  object.apiVersion === apiVersionOf(kind) ? object : { ...object, apiVersion: apiVersionOf(kind) };

/** The stored object a request names, or 404. */
export const storedObject = (ctx: ApiContext, request: ApiRequest): KubeObject => {
  const name = request.name ?? "";
  const object = ctx.store.get(bucketOf(request.kind), request.namespace, name);
  if (!object) throw notFound(request.kind, name);
  return inVersion(request.kind, object);
};

const versionParameter = (query: URLSearchParams): number | undefined => {
  const text = query.get("resourceVersion") ?? "";
  if (text === "") return undefined;
  if (!/^\d+$/.test(text)) {
    throw badRequest(`invalid resource version: strconv.ParseUint: parsing "${text}": invalid syntax`);
  }
  return Number(text);
};

const isTrue = (value: string | null): boolean => value === "true" || value === "1";

export const read = (ctx: ApiContext, request: ApiRequest): Reply => {
  const { kind, query, name, namespace } = request;
  const version = versionParameter(query);
  if (isTrue(query.get("watch"))) {
    const byRequest = requestMatcher(query, kind);
    const timeout = Number(query.get("timeoutSeconds") ?? "0");
    return {
      reply: "watch",
      kind,
      namespace,
      matches: (object) => (name === undefined || object.metadata.name === name) && byRequest(object),
      since: version === 0 ? undefined : version,
      bookmarks: isTrue(query.get("allowWatchBookmarks")),
      initialEvents: isTrue(query.get("sendInitialEvents")),
      timeoutSeconds: Number.isFinite(timeout) && timeout > 0 ? timeout : undefined,
    };
  }
  if (name !== undefined) {
    const object = storedObject(ctx, request);
    if (request.subresource === "scale") return { reply: "body", code: 200, body: scaleOf(kind, object) };
    return { reply: "object", code: 200, kind, object };
  }
  const matches = requestMatcher(query, kind);
  const objects = ctx.store.list(bucketOf(kind), namespace).map((object) => inVersion(kind, object));
  return { reply: "list", kind, objects: objects.filter(matches), version: ctx.store.version };
};
