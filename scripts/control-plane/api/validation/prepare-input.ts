// SPDX-License-Identifier: Apache-2.0
// Normalizes an object as decoding into Go types does: removes nulls and empty maps of metadata.
import { isObject, type Json } from "../json.ts";
import type { KubeObject } from "../kube-object.ts";
import type { ResourceKind } from "../registry.ts";

/** Normalises an object in place before anything else looks at it. */
export const prepareInput = (kind: ResourceKind, object: KubeObject): void => {
  const { metadata } = object;
  if (metadata.labels && Object.keys(metadata.labels).length === 0) delete metadata.labels;
  if (metadata.annotations && Object.keys(metadata.annotations).length === 0) delete metadata.annotations;
  if (metadata.finalizers?.length === 0) delete metadata.finalizers;
  if (metadata.ownerReferences?.length === 0) delete metadata.ownerReferences;
  if (kind.custom) return;
  for (const [name, value] of Object.entries(object)) {
    if (value === null) delete object[name];
    // A schema inside a definition may hold nulls of its own, as enum values or defaults.
    else if (kind.plural !== "customresourcedefinitions") dropNulls(value);
  }
  kind.behaviour.normalise?.(object);
};

const dropNulls = (value: Json | undefined): void => {
  if (Array.isArray(value)) for (const item of value) dropNulls(item);
  else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (item === null) delete value[name];
      else dropNulls(item);
    }
  }
};
