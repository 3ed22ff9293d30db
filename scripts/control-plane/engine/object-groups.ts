// SPDX-License-Identifier: Apache-2.0
// Objects as hooks of version v2 see them: grouped under `Kind.version` or `Kind.group/version`, keyed `namespace/name`.
import { copy, type JsonObject } from "../api/json.ts";
import { keyOf } from "../api/kube-object.ts";
import type { KubeObject } from "../client.ts";

type TypeOf = { apiVersion: string; kind: string };
export type ObjectGroup = TypeOf & { objects: Map<string, KubeObject> };
export type ObjectGroups = Map<string, ObjectGroup>;

const nameOf = ({ apiVersion, kind }: TypeOf) => `${kind}.${apiVersion}`;

/** The group of a type, made where there is none: hooks see each requested group, empty or not. */
export const groupOf = (groups: ObjectGroups, type: TypeOf): ObjectGroup => {
  const { apiVersion, kind } = type;
  const group = groups.get(nameOf(type)) ?? { apiVersion, kind, objects: new Map() };
  groups.set(nameOf(type), group);
  return group;
};

export const insert = (groups: ObjectGroups, object: KubeObject): void => {
  groupOf(groups, object).objects.set(keyOf(object), object);
};

/** Every object of a list, grouped. */
export const grouped = (objects: KubeObject[]): ObjectGroups => {
  const groups: ObjectGroups = new Map();
  for (const object of objects) insert(groups, object);
  return groups;
};

/** The field of a hook request. */
export const shown = (groups: ObjectGroups): JsonObject => {
  const result: JsonObject = {};
  for (const [name, { objects }] of groups) {
    result[name] = Object.fromEntries([...objects].map(([key, object]) => [key, copy(object)]));
  }
  return result;
};
