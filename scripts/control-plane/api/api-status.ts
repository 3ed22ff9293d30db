// SPDX-License-Identifier: Apache-2.0
// The errors of the API: metav1.Status bodies exactly as Kubernetes shapes them.
import type { JsonObject } from "./json.ts";

/** One field's fault inside an Invalid status. `message` is without the field's path. */
export type Cause = { reason: CauseReason; field: string; message: string };
export type CauseReason =
  | "FieldValueInvalid"
  | "FieldValueRequired"
  | "FieldValueNotSupported"
  | "FieldValueDuplicate"
  | "FieldValueForbidden"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueTypeInvalid"
  | "FieldValueNotFound"
  | "FieldManagerConflict";

export type ResourceName = { group: string; plural: string };

/** A request that ends with a Status; thrown by verbs, sent by the router. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: JsonObject | undefined;
  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }
}

/** The Status body of an error. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
export const statusBody = (error: ApiError): JsonObject => ({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Failure",
  message: error.message,
  reason: error.reason,
  ...(error.details ? { details: error.details } : {}),
  code: error.code,
});

/** The Status body that answers a completed deletion. */
export const successBody = (resource: ResourceName, name: string, uid: string | undefined): JsonObject => ({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Success",
  details: {
    name,
    ...(resource.group ? { group: resource.group } : {}),
    kind: resource.plural,
    ...(uid ? { uid } : {}),
  },
});

const qualified = ({ group, plural }: ResourceName): string => (group ? `${plural}.${group}` : plural);

const details = ({ group, plural }: ResourceName, name: string): JsonObject => ({
  ...(name ? { name } : {}),
  ...(group ? { group } : {}),
  kind: plural,
});

export const badRequest = (message: string): ApiError => new ApiError(400, "BadRequest", message);

export const pathNotFound = (): ApiError =>
  new ApiError(404, "NotFound", "the server could not find the requested resource", {});

export const notFound = (resource: ResourceName, name: string): ApiError =>
  new ApiError(404, "NotFound", `${qualified(resource)} "${name}" not found`, details(resource, name));

export const alreadyExists = (resource: ResourceName, name: string): ApiError =>
  new ApiError(
    409,
    "AlreadyExists",
    `${qualified(resource)} "${name}" already exists`,
    details(resource, name),
  );

export const conflict = (resource: ResourceName, name: string, why: string): ApiError =>
  new ApiError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    details(resource, name),
  );

/** The answer to an update that was made from an older version. */
export const modifiedMeanwhile = (resource: ResourceName, name: string): ApiError =>
  conflict(
    resource,
    name,
    "the object has been modified; please apply your changes to the latest version and try again",
  );

export const methodNotAllowed = (what: string): ApiError =>
  new ApiError(405, "MethodNotAllowed", `${what} is not supported on resources of kind`, {});

export const unsupportedMediaType = (message: string): ApiError =>
  new ApiError(415, "UnsupportedMediaType", message);

export const tooLarge = (message: string): ApiError => new ApiError(413, "RequestEntityTooLarge", message);

export const gone = (message: string): ApiError => new ApiError(410, "Expired", message);

/** 422 with every fault; kubectl prints `The Kind "name" is invalid: field: message`. */
export const invalid = (kind: { group: string; kind: string }, name: string, causes: Cause[]): ApiError => {
  const texts = [...new Set(causes.map((cause) => `${cause.field}: ${cause.message}`))];
  const list = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  const qualifiedKind = kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
  return new ApiError(422, "Invalid", `${qualifiedKind} "${name}" is invalid: ${list}`, {
    ...(name ? { name } : {}),
    ...(kind.group ? { group: kind.group } : {}),
    kind: kind.kind,
    causes: causes.map(({ reason, message, field }) => ({ reason, message, field })),
  });
};
