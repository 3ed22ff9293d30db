// SPDX-License-Identifier: Apache-2.0
// Defines the schemas of the Kubernetes objects that hooks read and return: metadata, Secret, owner reference, condition.
import { type Static, Type } from "@sinclair/typebox";

/** A string-to-string map, as labels, annotations and a Secret's base64 `data` are. */
export const StringMap = Type.Record(Type.String(), Type.String());
export type StringMap = Static<typeof StringMap>;

/** metav1.OwnerReference. */
export const OwnerReference = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  name: Type.String(),
  uid: Type.String(),
  controller: Type.Optional(Type.Boolean()),
  blockOwnerDeletion: Type.Optional(Type.Boolean()),
});
export type OwnerReference = Static<typeof OwnerReference>;

/** metav1.ManagedFieldsEntry; `fieldsV1` is the set of owned fields as server-side apply writes it. */
export const ManagedFieldsEntry = Type.Object({
  manager: Type.Optional(Type.String()),
  operation: Type.Optional(Type.String()),
  subresource: Type.Optional(Type.String()),
  time: Type.Optional(Type.String()),
  fieldsV1: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type ManagedFieldsEntry = Static<typeof ManagedFieldsEntry>;

/** metav1.ObjectMeta, as far as hooks read it. An unknown field passes. */
export const ObjectMeta = Type.Object({
  name: Type.String({ minLength: 1 }),
  namespace: Type.Optional(Type.String()),
  uid: Type.Optional(Type.String()),
  generation: Type.Optional(Type.Integer()),
  resourceVersion: Type.Optional(Type.String()),
  creationTimestamp: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  deletionTimestamp: Type.Optional(Type.String()),
  finalizers: Type.Optional(Type.Array(Type.String())),
  labels: Type.Optional(StringMap),
  annotations: Type.Optional(StringMap),
  ownerReferences: Type.Optional(Type.Array(OwnerReference)),
  managedFields: Type.Optional(Type.Array(ManagedFieldsEntry)),
});
export type ObjectMeta = Static<typeof ObjectMeta>;

/** ObjectMeta of a namespaced object that the API server has stored: it has a namespace and a uid. */
export const NamespacedMeta = Type.Intersect([
  ObjectMeta,
  Type.Object({ namespace: Type.String({ minLength: 1 }), uid: Type.String({ minLength: 1 }) }),
]);

/** An object of any kind. */
export const AnyObject = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  metadata: ObjectMeta,
});
export type AnyObject = Static<typeof AnyObject>;

/** v1.Secret: the values of `data` are base64. */
export const Secret = Type.Object({
  apiVersion: Type.Literal("v1"),
  kind: Type.Literal("Secret"),
  metadata: ObjectMeta,
  type: Type.Optional(Type.String()),
  immutable: Type.Optional(Type.Boolean()),
  data: Type.Optional(StringMap),
});
export type Secret = Static<typeof Secret>;

/** metav1.Condition. */
export const Condition = Type.Object({
  type: Type.String(),
  status: Type.Union([Type.Literal("True"), Type.Literal("False"), Type.Literal("Unknown")]),
  reason: Type.String(),
  message: Type.String(),
  lastTransitionTime: Type.String({ crdFormat: "date-time" }),
  observedGeneration: Type.Optional(Type.Integer()),
});
export type Condition = Static<typeof Condition>;

/** status.conditions: one of each type. */
export const conditions = (description: string) =>
  Type.Array(Condition, {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    description,
  });
