// SPDX-License-Identifier: Apache-2.0
// Updates metadata.managedFields, which records the owner of each field, at each write.
import { rfc3339 } from "../../../../server/time.ts";
import { copy, equal, type JsonObject } from "../json.ts";
import type { KubeObject, ManagedFieldsEntry } from "../kube-object.ts";
import { apiVersionOf, type ResourceKind } from "../registry.ts";
import type { Schema } from "../schema/schema.ts";
import { withObjectFields } from "../types/built-in-schemas.ts";
import {
  difference,
  emptySet,
  type FieldSet,
  fromFieldsV1,
  insert,
  isEmpty,
  sameSet,
  toFieldsV1,
  union,
  withoutBelow,
} from "./field-set.ts";
import { type Comparison, compare } from "./field-walk.ts";

/** One manager with what it owns. */
export type Manager = {
  name: string;
  operation: "Apply" | "Update";
  apiVersion: string;
  subresource: string;
  time: string | undefined;
  fields: FieldSet;
};

export type TrackOptions = { manager: string; subresource: string | undefined; now: Date };

const neverOwned = [
  ["f:apiVersion"],
  ["f:kind"],
  ...[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
  ].map((name) => ["f:metadata", `f:${name}`]),
];

/** Fields that a request cannot own: the server's, and those of the other side of a status subresource. */
export const withoutIgnored = (
  fields: FieldSet,
  kind: ResourceKind,
  subresource: string | undefined,
): FieldSet => {
  const ignored = emptySet();
  for (const path of neverOwned) insert(ignored, path);
  if (kind.statusSubresource && subresource !== "status") insert(ignored, ["f:status"]);
  if (kind.statusSubresource && subresource === "status") {
    insert(ignored, ["f:spec"]);
    if (kind.custom) insert(ignored, ["f:metadata"]);
  }
  const rest = withoutBelow(fields, ignored);
  const metadata = rest.children.get("f:metadata");
  if (metadata) metadata.member = false;
  if (metadata && isEmpty(metadata)) rest.children.delete("f:metadata");
  return rest;
};

const schemas = new WeakMap<Schema, Schema>();

/** The schema by which fields of a kind are told apart. */
export const ownershipSchema = (kind: ResourceKind): Schema => {
  const known = schemas.get(kind.schema);
  if (known) return known;
  const made = withObjectFields(kind.schema);
  schemas.set(kind.schema, made);
  return made;
};

/** An object as ownership sees it: without managedFields, and with the fields that always exist. */
export const ownableContent = (object: KubeObject | undefined, like: KubeObject): JsonObject => {
  if (!object) return { apiVersion: like.apiVersion, kind: like.kind, metadata: {} };
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
};

export const decodeManagers = (entries: ManagedFieldsEntry[] | undefined): Manager[] =>
  (entries ?? [])
    .filter((entry) => entry.operation !== undefined)
    .map((entry) => ({
      name: entry.manager ?? "",
      operation: entry.operation === "Apply" ? "Apply" : "Update",
      apiVersion: entry.apiVersion ?? "",
      subresource: entry.subresource ?? "",
      time: entry.time,
      fields: fromFieldsV1(entry.fieldsV1),
    }));

export const encodeManagers = (managers: Manager[]): ManagedFieldsEntry[] => {
  const key = (manager: Manager) => [
    manager.operation,
    manager.time ?? "",
    manager.name,
    manager.apiVersion,
    manager.subresource,
  ];
  return managers
    .filter(({ fields }) => !isEmpty(fields))
    .sort((a, b) => (key(a).join("\0") < key(b).join("\0") ? -1 : 1))
    .map(({ name, operation, apiVersion, time, fields, subresource }) => ({
      manager: name,
      operation,
      apiVersion,
      ...(time ? { time } : {}),
      fieldsType: "FieldsV1",
      fieldsV1: toFieldsV1(fields),
      ...(subresource ? { subresource } : {}),
    }));
};

export const isSameManager = (manager: Manager, other: Omit<Manager, "time" | "fields">): boolean =>
  manager.name === other.name &&
  manager.operation === other.operation &&
  manager.apiVersion === other.apiVersion &&
  manager.subresource === other.subresource;

/** Takes what changed from the other managers. */
export const takeChanged = (
  managers: Manager[],
  changes: Comparison,
  isOwn: (manager: Manager) => boolean,
): Manager[] => {
  const lost = union(changes.added, changes.modified, changes.removed);
  return managers.map((manager) =>
    isOwn(manager) ? manager : { ...manager, fields: difference(manager.fields, lost) },
  );
};

/** The managers that an update starts from: those it sends itself, else those of the live object. */
const startingManagers = (old: KubeObject | undefined, object: KubeObject): Manager[] => {
  const sent = object.metadata.managedFields;
  const [only] = sent ?? [];
  if (sent?.length === 1 && only && Object.keys(only).length === 0) return []; // `[{}]` resets
  const managers = decodeManagers(sent);
  return managers.length > 0 ? managers : decodeManagers(old?.metadata.managedFields);
};

/** Who a manager is that writes objects of `kind` by `operation`, without what it owns. */
export const identityOf = (
  kind: ResourceKind,
  operation: Manager["operation"],
  { manager, subresource = "" }: Pick<TrackOptions, "manager" | "subresource">,
): Omit<Manager, "time" | "fields"> => {
  return { name: manager, operation, apiVersion: apiVersionOf(kind), subresource };
};

/** Brings the object's managedFields up to date after an update by a manager; in place. */
export const trackUpdate = (
  kind: ResourceKind,
  old: KubeObject | undefined,
  object: KubeObject,
  options: TrackOptions,
): void => {
  const managers = startingManagers(old, object);
  const changes = compare(ownableContent(old, object), ownableContent(object, object), ownershipSchema(kind));
  const identity = identityOf(kind, "Update", options);
  const isOwn = (manager: Manager) => isSameManager(manager, identity);
  const others = takeChanged(managers, changes, isOwn).filter((manager) => !isOwn(manager));
  const own = managers.find(isOwn);
  const before = own?.fields ?? emptySet();
  const fields = withoutIgnored(
    union(difference(before, changes.removed), changes.modified, changes.added),
    kind,
    options.subresource,
  );
  const time = own && sameSet(before, fields) && isUnchanged(changes) ? own.time : rfc3339(options.now);
  setManagedFields(object, encodeManagers([...others, { ...identity, time, fields }]));
};

const isUnchanged = ({ added, modified, removed }: Comparison): boolean =>
  isEmpty(added) && isEmpty(modified) && isEmpty(removed);

const setManagedFields = (object: KubeObject, entries: ManagedFieldsEntry[]): void => {
  if (entries.length === 0) delete object.metadata.managedFields;
  else if (!equal(entries, object.metadata.managedFields)) object.metadata.managedFields = copy(entries);
};
