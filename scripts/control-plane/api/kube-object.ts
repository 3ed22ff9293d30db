// SPDX-License-Identifier: Apache-2.0
// The shape every Kubernetes object shares: type, metadata, and the rest as JSON.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { badRequest } from "./api-status.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";

export type OwnerReference = {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
};

export type ManagedFieldsEntry = {
  manager?: string;
  operation?: string;
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: JsonObject;
  subresource?: string;
};

type StringMap = { [key: string]: string };

export type ObjectMeta = {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string | null;
  deletionTimestamp?: string | null;
  deletionGracePeriodSeconds?: number;
  labels?: StringMap;
  annotations?: StringMap;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: ManagedFieldsEntry[];
};

/** An object of any kind; fields beside type and metadata are plain JSON. */
export type KubeObject = {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: Json | undefined;
};

const Strings = Type.Record(Type.String(), Type.String());
const nullable = <T extends ReturnType<typeof Type.String | typeof Type.Integer>>(type: T) =>
  Type.Optional(Type.Union([type, Type.Null()]));
const Envelope = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  metadata: Type.Object({
    name: nullable(Type.String()),
    generateName: nullable(Type.String()),
    namespace: nullable(Type.String()),
    uid: nullable(Type.String()),
    resourceVersion: nullable(Type.String()),
    generation: nullable(Type.Integer()),
    creationTimestamp: nullable(Type.String()),
    deletionTimestamp: nullable(Type.String()),
    deletionGracePeriodSeconds: nullable(Type.Integer()),
    labels: Type.Optional(Type.Union([Strings, Type.Null()])),
    annotations: Type.Optional(Type.Union([Strings, Type.Null()])),
    finalizers: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
    ownerReferences: Type.Optional(
      Type.Union([
        Type.Array(
          Type.Object({
            apiVersion: Type.Optional(Type.String()),
            kind: Type.Optional(Type.String()),
            name: Type.Optional(Type.String()),
            uid: Type.Optional(Type.String()),
            controller: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
            blockOwnerDeletion: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
          }),
        ),
        Type.Null(),
      ]),
    ),
    managedFields: Type.Optional(
      Type.Union([
        Type.Array(
          Type.Object({
            manager: Type.Optional(Type.String()),
            operation: Type.Optional(Type.String()),
            apiVersion: Type.Optional(Type.String()),
            time: nullable(Type.String()),
            fieldsType: Type.Optional(Type.String()),
            fieldsV1: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
            subresource: Type.Optional(Type.String()),
          }),
        ),
        Type.Null(),
      ]),
    ),
  }),
});

const isKubeObject = (value: JsonObject): value is KubeObject => Value.Check(Envelope, value);

/**
 * Narrows a body to an object. Nulls in metadata are dropped as the real server's decoder does.
 * Throws 400 BadRequest that names the field.
 */
export const asKubeObject = (value: Json, defaults: { apiVersion: string; kind: string }): KubeObject => {
  if (!isObject(value)) throw badRequest("the object provided is unrecognized: expected a JSON object");
  const metadata = value.metadata ?? {};
  if (isObject(metadata)) {
    for (const [key, item] of Object.entries(metadata)) {
      if (item === null || item === undefined) delete metadata[key];
    }
  }
  const { apiVersion, kind, metadata: _, ...rest } = value;
  const object: JsonObject = {
    apiVersion: apiVersion ?? defaults.apiVersion,
    kind: kind ?? defaults.kind,
    metadata,
    ...rest,
  };
  if (isKubeObject(object)) return object;
  const fault = [...Value.Errors(Envelope, object)].at(0);
  const path = (fault?.path ?? "").slice(1).replaceAll("/", ".");
  // What is there instead of a text may not even be convertible to one.
  const said = (what: Json | undefined, otherwise: string) => (typeof what === "string" ? what : otherwise);
  throw badRequest(
    `${said(object.kind, defaults.kind)} in version "${said(object.apiVersion, defaults.apiVersion)}" cannot be handled as a ${defaults.kind}: ${path}: ${fault?.message}`,
  );
};

/** `namespace/name`, or the name of a cluster-scoped object. */
export const keyOf = (object: KubeObject): string =>
  storeKey(object.metadata.namespace, object.metadata.name ?? "");

/** The key an object has within its resource. */
export const storeKey = (namespace: string | undefined, name: string): string =>
  namespace ? `${namespace}/${name}` : name;
