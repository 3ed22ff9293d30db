// SPDX-License-Identifier: Apache-2.0
// Implements server-side apply: merges a manager's configuration and updates the managed fields.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/
import { rfc3339 } from "../../../../server/time.ts";
import { ApiError, badRequest, type Cause } from "../api-status.ts";
import { toJson } from "../json.ts";
import { asKubeObject, type KubeObject } from "../kube-object.ts";
import { apiVersionOf, type ResourceKind } from "../registry.ts";
import { prune } from "../schema/pruning.ts";
import type { Schema } from "../schema/schema.ts";
import {
  emptySet,
  type FieldSet,
  intersection,
  isWithin,
  paths,
  pathText,
  sameSet,
  union,
} from "./field-set.ts";
import { compare, fieldsOf } from "./field-walk.ts";
import {
  decodeManagers,
  encodeManagers,
  identityOf,
  isSameManager,
  type Manager,
  ownableContent,
  ownershipSchema,
  takeChanged,
  withoutIgnored,
} from "./managed-fields.ts";
import { mergeApplied, pruneUnowned } from "./merge.ts";

export type ApplyOptions = { manager: string; subresource: string | undefined; force: boolean; now: Date };
export type Applied = { object: KubeObject; managers: Manager[] };

/** The object after a manager applied its configuration. Throws 409 with the conflicts unless forced. */
export const applyConfiguration = (
  kind: ResourceKind,
  live: KubeObject | undefined,
  given: KubeObject,
  options: ApplyOptions,
): Applied => {
  const config = relevantPart(kind, given, options.subresource);
  if (config.metadata.managedFields) throw badRequest("metadata.managedFields must be nil");
  refuseUndeclared(kind, config);
  const schema = ownershipSchema(kind);
  const identity = identityOf(kind, "Apply", options);
  const isOwn = (manager: Manager) => isSameManager(manager, identity);
  const managers = decodeManagers(live?.metadata.managedFields);
  const own = managers.find(isOwn);
  const last = own?.fields ?? emptySet();
  const fields = withoutIgnored(fieldsOf(toJson(config), schema), kind, options.subresource);
  const others = managers.filter((manager) => !isOwn(manager));

  const liveContent = ownableContent(live, config);
  const merged = mergeApplied(live ? liveContent : undefined, toJson(config), schema);
  const kept = union(fields, ...others.map((manager) => manager.fields));
  const pruned = pruneUnowned(merged, schema, last, kept) ?? {};
  const changes = compare(liveContent, pruned, schema);

  const changed = union(changes.added, changes.modified);
  const conflicts = others
    .map((manager) => ({ manager, fields: intersection(manager.fields, changed) }))
    .filter((conflict) => paths(conflict.fields).length > 0);
  const contested = union(...conflicts.map((conflict) => conflict.fields));
  const isUpgrade = options.manager === "kubectl" && isWithin(contested, lastAppliedFields(live, schema));
  if (conflicts.length > 0 && !options.force && !isUpgrade) throw applyConflict(conflicts);

  const object = asKubeObject(pruned, { apiVersion: apiVersionOf(kind), kind: kind.kind });
  if (options.manager === "kubectl") syncLastApplied(object, config);
  const isNoop =
    own !== undefined &&
    sameSet(last, fields) &&
    paths(changed).length === 0 &&
    paths(changes.removed).length === 0;
  const time = isNoop ? own.time : rfc3339(options.now);
  return { object, managers: [...takeChanged(others, changes, () => false), { ...identity, time, fields }] };
};

/** Sets an applied object's managedFields, in place. */
export const setManagers = (object: KubeObject, managers: Manager[]): void => {
  object.metadata.managedFields = encodeManagers(managers);
};

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** Keeps kubectl's annotation, where there is one, at what kubectl applied last; in place. */
const syncLastApplied = (object: KubeObject, config: KubeObject): void => {
  const { annotations } = object.metadata;
  if (annotations?.[lastApplied] === undefined) return;
  const { annotations: own, ...metadata } = config.metadata;
  const { [lastApplied]: _, ...rest } = own ?? {};
  annotations[lastApplied] =
    `${JSON.stringify({ ...config, metadata: { ...metadata, annotations: rest } })}\n`;
};

/** What kubectl applied on the client's side, by its annotation: kubectl may take that over without force. */
const lastAppliedFields = (live: KubeObject | undefined, schema: Schema): FieldSet => {
  const text = live?.metadata.annotations?.[lastApplied];
  if (text === undefined) return emptySet();
  try {
    return fieldsOf(toJson(JSON.parse(text)), schema);
  } catch {
    return emptySet(); // anybody may write the annotation; what is not JSON claims nothing
  }
};

/** The part of a configuration that the path can change; the other side of a status subresource is ignored. */
const relevantPart = (
  kind: ResourceKind,
  config: KubeObject,
  subresource: string | undefined,
): KubeObject => {
  if (!kind.statusSubresource) return config;
  const { apiVersion, kind: name, metadata, status, spec, ...rest } = config;
  if (subresource === "status") {
    return { apiVersion, kind: name, metadata, ...(status === undefined ? {} : { status }) };
  }
  return { apiVersion, kind: name, metadata, ...rest, ...(spec === undefined ? {} : { spec }) };
};

const refuseUndeclared = (kind: ResourceKind, config: KubeObject): void => {
  const [first] = prune(structuredClone(config), kind.schema, true);
  if (first === undefined) return;
  const { namespace, name } = config.metadata;
  const gvk = `${apiVersionOf(kind)}, Kind=${kind.kind}`;
  throw new ApiError(
    500,
    "",
    `failed to create typed patch object (${namespace ?? ""}/${name}; ${gvk}): .${first}: field not declared in schema`,
  );
};

const managerText = ({ name, operation, apiVersion, subresource }: Manager): string => {
  const text = `${JSON.stringify(name)}${subresource ? ` with subresource ${JSON.stringify(subresource)}` : ""}`;
  return operation === "Update" ? `${text} using ${apiVersion}` : text;
};

const applyConflict = (conflicts: { manager: Manager; fields: FieldSet }[]): ApiError => {
  const causes: Cause[] = conflicts.flatMap(({ manager, fields }) =>
    paths(fields).map((path) => ({
      reason: "FieldManagerConflict" as const,
      message: `conflict with ${managerText(manager)}`,
      field: pathText(path),
    })),
  );
  const [only] = causes;
  const message =
    causes.length === 1 && only
      ? `Apply failed with 1 conflict: ${only.message}: ${only.field}`
      : `Apply failed with ${causes.length} conflicts: ${conflicts
          .map(
            ({ manager, fields }) =>
              `conflicts with ${managerText(manager)}:\n${paths(fields)
                .map((path) => `- ${pathText(path)}`)
                .join("\n")}`,
          )
          .join("\n")}`;
  return new ApiError(409, "Conflict", message, { causes: causes.map((cause) => ({ ...cause })) });
};
