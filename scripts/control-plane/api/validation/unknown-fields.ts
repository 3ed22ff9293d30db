// SPDX-License-Identifier: Apache-2.0
// Unknown fields: pruned, and reported as the request's fieldValidation asks.
import type { WriteOptions } from "../api-request.ts";
import { badRequest } from "../api-status.ts";
import type { KubeObject } from "../kube-object.ts";
import type { ResourceKind } from "../registry.ts";
import { prune } from "../schema/pruning.ts";

/** Removes unknown fields in place; Strict refuses them with 400, Warn adds a warning for each. */
export const checkFields = (kind: ResourceKind, object: KubeObject, options: WriteOptions): void => {
  const unknown = prune(object, kind.schema, true).map((path) => `unknown field "${path}"`);
  if (unknown.length === 0 || options.fieldValidation === "Ignore") return;
  if (options.fieldValidation === "Warn") {
    options.warnings.push(...unknown);
    return;
  }
  throw badRequest(
    `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${unknown.join(", ")}`,
  );
};
