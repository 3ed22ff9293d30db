// SPDX-License-Identifier: Apache-2.0
// DELETE: one object or a collection.
import type { ApiContext, ApiRequest, Reply } from "../api-request.ts";
import { successBody } from "../api-status.ts";
import { deleteObject, deleteOptions } from "../object-deletion.ts";
import { bucketOf } from "../registry.ts";
import { requestMatcher } from "../selectors.ts";
import { inVersion, storedObject } from "./read.ts";

export const remove = (ctx: ApiContext, request: ApiRequest): Reply => {
  const { kind, name, namespace, query, body } = request;
  const options = deleteOptions(body, query);
  if (name === undefined) {
    const matches = requestMatcher(query, kind);
    const objects = ctx.store.list(bucketOf(kind), namespace).filter(matches);
    const deleted = objects.map((object) => deleteObject(ctx, kind, object, options).object);
    return {
      reply: "list",
      kind,
      objects: deleted.map((object) => inVersion(kind, object)),
      version: ctx.store.version,
    };
  }
  const object = storedObject(ctx, request);
  const deletion = deleteObject(ctx, kind, object, options);
  if (!deletion.gone) return { reply: "object", code: 200, kind, object: deletion.object };
  return { reply: "body", code: 200, body: successBody(kind, name, object.metadata.uid) };
};
