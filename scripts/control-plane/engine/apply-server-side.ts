// SPDX-License-Identifier: Apache-2.0
// Server-side apply of children, with Metacontroller's cache: the same answer is not applied again while the child's
// generation stands still. Secrets have no generation, so a hand-edited Secret stays as it is until the answer changes.
import { createHash } from "node:crypto";
import { canonical } from "../api/json.ts";
import type { KubeObject, ResourceInfo } from "../client.ts";
import {
  type ApplyChild,
  deleteChild,
  describe,
  emptyLastApplied,
  LAST_APPLIED,
  namespaceFault,
  systemFields,
} from "./apply-child.ts";
import { controllerReference } from "./claim-children.ts";
import { apiFault } from "./outcome.ts";

export type ServerSideApply = {
  apply: ApplyChild;
  /** Forgets a child that was deleted because an answer left it out. */
  forget: (resource: ResourceInfo, child: KubeObject) => void;
};

// Kept by group, kind, namespace and name, for as long as the engine runs: neither a new uid nor a new parent clears it.
type Applied = { hash: string; generation: number };

const cacheKey = ({ apiVersion, kind }: ResourceInfo, { metadata }: KubeObject) => {
  const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
  return `${group}/${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
};

const removeLastApplied = JSON.stringify([
  { op: "remove", path: `/metadata/annotations/${LAST_APPLIED.replaceAll("/", "~1")}` },
]);

export function createServerSideApply(): ServerSideApply {
  const lastApplied = new Map<string, Applied>();

  const apply: ApplyChild = async ({ client, resource, method, parent, observed, desired }) => {
    const reference = controllerReference(parent);
    const owners = desired.metadata.ownerReferences ?? [];
    if (!owners.some(({ uid }) => uid === reference.uid)) {
      desired.metadata.ownerReferences = [...owners, reference];
    }
    const metadata: { [field: string]: unknown } = desired.metadata;
    for (const field of systemFields) delete metadata[field];
    delete desired.status;
    emptyLastApplied(desired);

    const body = canonical(desired);
    const hash = createHash("sha256").update(body).digest("hex");
    const key = cacheKey(resource, desired);
    const { namespace, name = "" } = desired.metadata;
    const missing = namespaceFault(resource, desired);
    if (missing) return missing;

    if (observed) {
      if (observed.metadata.deletionTimestamp) return undefined;
      const known = lastApplied.get(key);
      if (known?.hash === hash && known.generation === (observed.metadata.generation ?? 0)) return undefined;
      if (method === "" || method === "OnDelete") return undefined;
      if (method === "Recreate") return deleteChild(client, resource, observed);
      if (observed.metadata.annotations?.[LAST_APPLIED] !== undefined) {
        const cleaned = await client.patch(
          resource,
          { namespace, name },
          {
            contentType: "application/json-patch+json",
            body: removeLastApplied,
          },
        );
        if (!cleaned.ok) {
          return cleaned.status === 404
            ? undefined
            : apiFault(`can't remove the last applied annotation from ${describe(desired)}`, cleaned);
        }
      }
    }
    const answer = await client.patch(
      resource,
      { namespace, name },
      {
        contentType: "application/apply-patch+yaml",
        body,
        force: true,
      },
    );
    if (answer.ok) {
      lastApplied.set(key, { hash, generation: answer.value.metadata.generation ?? 0 });
      return undefined;
    }
    // Somebody wrote in between; their write brings the next sync.
    if (answer.status === 409) return undefined;
    return apiFault(`can't apply ${describe(desired)}`, answer);
  };

  return { apply, forget: (resource, child) => lastApplied.delete(cacheKey(resource, child)) };
}
