// SPDX-License-Identifier: Apache-2.0
// Reads object metadata and conditions: owner references, managed fields, annotations of Keyswitch, and since when a condition holds.
import type { Static, TSchema } from "@sinclair/typebox";
import type { TypeCheck } from "@sinclair/typebox/compiler";
import type { AnyObject, Condition, ManagedFieldsEntry, ObjectMeta, OwnerReference } from "./kubernetes.ts";

type Meta = Pick<AnyObject, "metadata">;

/** What an object that Keyswitch makes carries. */
export const MANAGED_BY = { "app.kubernetes.io/managed-by": "keyswitch" } as const;

/** The finalizer that `kubectl delete --cascade=orphan` puts on an object; the garbage collector removes it. */
const ORPHAN = "orphan";

/** The controller of `object`, if it has one. */
export const controllerOf = ({ metadata }: Meta): OwnerReference | undefined =>
  metadata.ownerReferences?.find((owner) => owner.controller === true);

/** Whether `object` goes when the object with `uid` goes. */
export const isOwnedBy = ({ metadata }: Meta, uid: string): boolean =>
  metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;

/** Whether what `parent` owns is to be let go of, and the garbage collector has not done so yet. */
export const isBeingOrphaned = ({ metadata }: Meta): boolean =>
  metadata.finalizers?.includes(ORPHAN) === true;

/** Whether `entry` owns the field at `path`, each name as FieldsV1 writes it: `f:spec`, `f:replicas`. */
export const ownsField = ({ fieldsV1 }: ManagedFieldsEntry, path: readonly string[]): boolean => {
  let at: unknown = fieldsV1;
  for (const name of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return false;
    at = Reflect.get(at, name);
  }
  return true;
};

/** Whether `entry` is of whoever wrote the owner reference to the object with `uid`. */
export const ownsReference = (entry: ManagedFieldsEntry, uid: string): boolean =>
  ownsField(entry, ["f:metadata", "f:ownerReferences", `k:${JSON.stringify({ uid })}`]);

/** What the annotation `name` says; undefined where there is none, or one that somebody has broken. */
export const annotationOf = <S extends TSchema>(
  { metadata }: { readonly metadata: Pick<ObjectMeta, "annotations"> },
  name: string,
  schema: TypeCheck<S>,
): Static<S> | undefined => {
  const text = metadata.annotations?.[name];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return schema.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** A condition as a hook found it. */
export type FoundCondition = Pick<Condition, "type" | "status" | "reason" | "message">;

/** The condition of `type`, if there is one. */
export const conditionOf = (
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined => conditions?.find((condition) => condition.type === type);

/** `found` with its transition time, which moves to `now` (RFC 3339) only when the status of its type is another. */
export const nextCondition = (
  before: readonly Condition[] | undefined,
  now: string,
  found: FoundCondition,
): Condition => {
  const last = conditionOf(before, found.type);
  return { ...found, lastTransitionTime: last?.status === found.status ? last.lastTransitionTime : now };
};
