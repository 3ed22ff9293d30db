// SPDX-License-Identifier: Apache-2.0
// The structs of meta/v1 that every kind uses.
import { type Structs, structSchema } from "./struct-schema.ts";

export const metaTypes: Structs = {
  ObjectMeta: {
    description: "Standard object's metadata.",
    fields: {
      name: "string",
      generateName: "string",
      namespace: "string",
      selfLink: "string",
      uid: "string",
      resourceVersion: "string",
      generation: "int",
      creationTimestamp: "time",
      deletionTimestamp: "time",
      deletionGracePeriodSeconds: "int",
      labels: "map<string>",
      annotations: "map<string>",
      ownerReferences: "OwnerReference[uid]",
      finalizers: "string[set]",
      managedFields: "ManagedFieldsEntry[]",
    },
  },
  OwnerReference: {
    atomic: true,
    fields: {
      apiVersion: "string!",
      kind: "string!",
      name: "string!",
      uid: "string!",
      controller: "bool",
      blockOwnerDeletion: "bool",
    },
  },
  ManagedFieldsEntry: {
    fields: {
      manager: "string",
      operation: "string",
      apiVersion: "string",
      time: "time",
      fieldsType: "string",
      fieldsV1: "any",
      subresource: "string",
    },
  },
  LabelSelector: {
    atomic: true,
    fields: { matchLabels: "map<string>", matchExpressions: "LabelSelectorRequirement[]" },
  },
  LabelSelectorRequirement: { fields: { key: "string!", operator: "string!", values: "string[]" } },
  Condition: {
    fields: {
      type: "string!",
      status: "string!",
      observedGeneration: "int",
      lastTransitionTime: "time!",
      reason: "string!",
      message: "string!",
    },
  },
  LocalObjectReference: { atomic: true, fields: { name: "string" } },
  ObjectReference: {
    atomic: true,
    fields: {
      kind: "string",
      namespace: "string",
      name: "string",
      uid: "string",
      apiVersion: "string",
      resourceVersion: "string",
      fieldPath: "string",
    },
  },
};

/** The schema of metadata, for every kind. */
export const objectMetaSchema = structSchema(metaTypes, "ObjectMeta");
