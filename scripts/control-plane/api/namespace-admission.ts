// SPDX-License-Identifier: Apache-2.0
// Rejects new objects in a namespace that is missing or being deleted.
import type { ApiContext } from "./api-request.ts";
import { ApiError, notFound } from "./api-status.ts";
import type { KubeObject } from "./kube-object.ts";
import type { ResourceKind } from "./registry.ts";

/** Throws 404 for a missing namespace and 403 for one that is being deleted. */
export const refuseMissingNamespace = (ctx: ApiContext, kind: ResourceKind, object: KubeObject): void => {
  const { namespace } = object.metadata;
  if (!kind.namespaced || !namespace) return;
  const found = ctx.store.get("/namespaces", undefined, namespace);
  if (!found) throw notFound({ group: "", plural: "namespaces" }, namespace);
  if (!found.metadata.deletionTimestamp) return;
  const resource = kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
  const name = object.metadata.name ?? "";
  throw new ApiError(
    403,
    "Forbidden",
    `${resource} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
    {
      name,
      ...(kind.group ? { group: kind.group } : {}),
      kind: kind.plural,
      causes: [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${namespace} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    },
  );
};
