// SPDX-License-Identifier: Apache-2.0
// Models the keys of a Secret under server-side apply: their field owners, and the result of an apply.
import type { StringMap } from "../../../hooks/kubernetes.ts";
import { UID } from "./request.ts";

const OWNER = `k:${JSON.stringify({ uid: UID })}`;

/** Each key's value (base64) and its managers: Metacontroller, and whoever edits by hand. */
export type Keys = Readonly<Record<string, { readonly value: string; readonly owners: readonly string[] }>>;

/** The Secret's `data`. */
export const dataOf = (keys: Keys): StringMap =>
  Object.fromEntries(Object.entries(keys).map(([key, { value }]) => [key, value]));

/** The Secret's `managedFields`. */
export const managedFieldsOf = (keys: Keys) =>
  ["metacontroller", "kubectl-edit"].map((manager) => {
    const own = Object.entries(keys).filter(([, { owners }]) => owners.includes(manager));
    const isOurs = manager === "metacontroller";
    return {
      manager,
      operation: isOurs ? "Apply" : "Update",
      fieldsV1: {
        "f:data": Object.fromEntries(own.map(([key]) => [`f:${key}`, {}])),
        ...(isOurs ? { "f:metadata": { "f:ownerReferences": { [OWNER]: {} } } } : {}),
      },
    };
  });

/** Server-side apply by Metacontroller, with force: what differs becomes its own, what it drops loses it as an owner. */
export const applied = (before: Keys, data: StringMap): Keys => {
  const keys: Record<string, { value: string; owners: string[] }> = {};
  for (const [key, { value, owners }] of Object.entries(before)) {
    const wanted = data[key];
    const others = owners.filter((owner) => owner !== "metacontroller");
    if (wanted === undefined) {
      if (others.length > 0 || !owners.includes("metacontroller")) keys[key] = { value, owners: others };
    } else if (wanted !== value) keys[key] = { value: wanted, owners: ["metacontroller"] };
    else keys[key] = { value, owners: [...others, "metacontroller"] };
  }
  for (const [key, value] of Object.entries(data)) keys[key] ??= { value, owners: ["metacontroller"] };
  return keys;
};

/** An edit by hand: the key becomes kubectl's, or goes. */
export const edited = (before: Keys, key: string, value: string | undefined): Keys => {
  const { [key]: _, ...rest } = before;
  return value === undefined ? rest : { ...rest, [key]: { value, owners: ["kubectl-edit"] } };
};
