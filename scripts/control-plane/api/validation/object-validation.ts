// SPDX-License-Identifier: Apache-2.0
// Every fault of an object: metadata, schema, rules, and what its kind adds.
import { badRequest, type Cause } from "../api-status.ts";
import type { KubeObject } from "../kube-object.ts";
import type { ResourceKind } from "../registry.ts";
import { metadataFaults } from "./metadata-validation.ts";
import { ruleFaults } from "./rule-validation.ts";
import { schemaFaults } from "./schema-validation.ts";

/**
 * The faults of an object that is about to be stored; `old` is absent on create. A value of the wrong type in a
 * built-in kind is thrown as 400, because the real server cannot even decode it.
 */
export const objectFaults = (
  kind: ResourceKind,
  object: KubeObject,
  old: KubeObject | undefined,
): Cause[] => {
  const { metadata: _, ...content } = object;
  const bySchema = schemaFaults(content, contentSchema(kind), "");
  if (!kind.custom) refuseUndecodable(kind, bySchema);
  const metadata = metadataFaults(kind, object, old);
  const byKind = kind.behaviour.validate?.(object, old) ?? [];
  const faults = [...metadata, ...bySchema, ...byKind.filter((cause) => !isReported(bySchema, cause))];
  // Rules see only objects that fit their schema.
  if (kind.custom && bySchema.length === 0) faults.push(...ruleFaults(kind.schema, object, old));
  return faults;
};

const isReported = (faults: Cause[], cause: Cause): boolean =>
  faults.some(({ field, reason }) => field === cause.field && reason === cause.reason);

const contentSchema = (kind: ResourceKind) => {
  const { metadata: _, ...properties } = kind.schema.properties ?? {};
  return { ...kind.schema, type: "object", properties };
};

const refuseUndecodable = (kind: ResourceKind, faults: Cause[]): void => {
  const wrong = faults.find(({ reason }) => reason === "FieldValueTypeInvalid");
  if (!wrong) return;
  throw badRequest(
    `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${wrong.field}: ${wrong.message}`,
  );
};
