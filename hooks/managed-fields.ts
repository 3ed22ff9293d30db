// SPDX-License-Identifier: Apache-2.0
// Finds out from metadata.managedFields which field manager owns a field of an object.
import type { ManagedFieldsEntry } from "./kubernetes.ts";

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
