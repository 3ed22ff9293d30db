// SPDX-License-Identifier: Apache-2.0
// Dynamic apply of children, Metacontroller's default: a three-way merge over an annotation that holds the last answer.
import { canonical, copy, equal, isObject, type Json, parsedJson } from "../api/json.ts";
import { asObject, type KubeObject } from "../client.ts";
import { type ApplyChild, describe, emptyLastApplied, LAST_APPLIED, systemFields } from "./apply-child.ts";
import { controllerReference } from "./claim-children.ts";
import { fault, type Outcome, ok } from "./outcome.ts";
import { merged } from "./three-way-merge.ts";

/** Creates or updates one child. */
export const applyDynamically: ApplyChild = async ({ client, resource, parent, observed, desired }) => {
  if (!observed) {
    setLastApplied(desired, canonical(desired));
    desired.metadata.ownerReferences = [
      ...(desired.metadata.ownerReferences ?? []),
      controllerReference(parent),
    ];
    const made = await client.create(resource, desired, desired.metadata.namespace);
    // An object of this name that is not ours: Metacontroller leaves it, silently.
    if (made.ok || (made.status === 409 && made.reason === "AlreadyExists")) return undefined;
    return fault(made.message);
  }
  const target = updated(observed, desired);
  if (!target.ok) return target;
  if (equal(target.value, observed) || observed.metadata.deletionTimestamp) return undefined;
  const written = await client.update(resource, target.value);
  // Gone, or written by somebody else in between: the next sync sees it.
  if (written.ok || written.status === 404 || written.status === 409) return undefined;
  return fault(written.message);
};

const setLastApplied = (object: KubeObject, text: string): void => {
  object.metadata.annotations = { ...object.metadata.annotations, [LAST_APPLIED]: text };
};

/** The observed child with the answer merged into it; what belongs to the server stays as observed. */
const updated = (observed: KubeObject, desired: KubeObject): Outcome<KubeObject> => {
  const last = lastAppliedOf(observed);
  if (last === undefined) return fault(`can't read the last applied annotation of ${describe(observed)}`);
  emptyLastApplied(desired);
  const target = asObject(merged(observed, isObject(last) ? last : {}, desired), observed);
  if (!target) return fault(`can't merge desired changes into ${describe(observed)}`);
  const from: { [field: string]: Json | undefined } = copy({ ...observed.metadata });
  const into: { [field: string]: Json | undefined } = target.metadata;
  for (const field of systemFields) {
    if (from[field] === undefined) delete into[field];
    else into[field] = from[field];
  }
  if (observed.status === undefined) delete target.status;
  else target.status = copy(observed.status);
  setLastApplied(target, canonical(desired));
  return ok(target);
};

const lastAppliedOf = (object: KubeObject): Json | undefined => {
  const text = object.metadata.annotations?.[LAST_APPLIED];
  if (!text) return {};
  return parsedJson(text);
};
