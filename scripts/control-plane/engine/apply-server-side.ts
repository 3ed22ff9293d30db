// SPDX-License-Identifier: Apache-2.0
// Server-side apply of children, with Metacontroller's cache: the same answer is not applied again while the child is the
// same object at the same generation, or, where its kind has no generation, as a Secret has none, at the same resourceVersion.
import { createHash } from "node:crypto";
import { canonical } from "../api/json.ts";
import type { ApiFailure, KubeObject, ResourceInfo } from "../client.ts";
import { type ApplyChild, emptyLastApplied, LAST_APPLIED, systemFields } from "./apply-child.ts";
import { controllerReference } from "./claim-children.ts";
import { type Fault, fault } from "./outcome.ts";

export type ServerSideApply = {
  apply: ApplyChild;
  /** Forgets a child that was deleted because an answer left it out. */
  forget: (resource: ResourceInfo, child: KubeObject) => void;
};

// Kept by group, kind, namespace and name, for as long as the engine runs: a new parent does not clear it.
type Applied = { hash: string; uid: string; generation: number; resourceVersion: string };

const generationOf = ({ metadata }: KubeObject): number => metadata.generation ?? 0;

/** Whether `observed` is as it was when the answer of this hash was applied. */
const isKnown = (applied: Applied | undefined, observed: KubeObject, hash: string): boolean => {
  if (applied === undefined || applied.hash !== hash || applied.uid !== observed.metadata.uid) return false;
  const generation = generationOf(observed);
  if (generation === 0 && applied.resourceVersion !== observed.metadata.resourceVersion) return false;
  return applied.generation === generation;
};

const cacheKey = ({ apiVersion, kind }: ResourceInfo, { metadata }: KubeObject) => {
  const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
  return `${group}/${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
};

const removeLastApplied = JSON.stringify([
  { op: "remove", path: `/metadata/annotations/${LAST_APPLIED.replaceAll("/", "~1")}` },
]);

/** Makes `desired` what goes out: owned by the parent, and without what the system alone sets. In place. */
const prepare = (desired: KubeObject, parent: KubeObject): void => {
  const reference = controllerReference(parent);
  const owners = desired.metadata.ownerReferences ?? [];
  if (!owners.some(({ uid }) => uid === reference.uid)) {
    desired.metadata.ownerReferences = [...owners, reference];
  }
  const metadata: { [field: string]: unknown } = desired.metadata;
  for (const field of systemFields) delete metadata[field];
  delete desired.status;
  emptyLastApplied(desired);
};

/** What a patch that was refused means for the sync; what is gone, or was written meanwhile, brings the next one itself. */
const refused = ({ status, message }: ApiFailure, harmless: number): Fault | undefined =>
  status === harmless ? undefined : fault(message);

/** Makes the function that applies children, and what it remembers of them. */
export const createServerSideApply = (): ServerSideApply => {
  const lastApplied = new Map<string, Applied>();

  const apply: ApplyChild = async ({ client, resource, parent, observed, desired }) => {
    prepare(desired, parent);
    const body = canonical(desired);
    const hash = createHash("sha256").update(body).digest("hex");
    const key = cacheKey(resource, desired);
    const { namespace, name = "" } = desired.metadata;
    const at = { namespace, name };

    if (observed?.metadata.deletionTimestamp) return undefined;
    if (observed && isKnown(lastApplied.get(key), observed, hash)) return undefined;
    if (observed?.metadata.annotations?.[LAST_APPLIED] !== undefined) {
      const contentType = "application/json-patch+json";
      const cleaned = await client.patch(resource, at, { contentType, body: removeLastApplied });
      if (!cleaned.ok) return refused(cleaned, 404);
    }
    const contentType = "application/apply-patch+yaml";
    const answer = await client.patch(resource, at, { contentType, body, force: true });
    if (!answer.ok) return refused(answer, 409);
    const { uid = "", resourceVersion = "" } = answer.value.metadata;
    lastApplied.set(key, { hash, uid, generation: generationOf(answer.value), resourceVersion });
    return undefined;
  };

  return { apply, forget: (resource, child) => lastApplied.delete(cacheKey(resource, child)) };
};
