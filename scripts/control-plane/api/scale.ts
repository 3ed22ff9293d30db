// SPDX-License-Identifier: Apache-2.0
// The scale subresource: an autoscaling/v1 Scale seen through a kind's own fields.
import { pathNotFound } from "./api-status.ts";
import { isObject, type Json, type JsonObject, numberOf, setAt, valueAt } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import type { ResourceKind } from "./registry.ts";

const selectorText = (value: Json | undefined): string | undefined => {
  if (typeof value === "string") return value;
  if (!isObject(value)) return undefined;
  const labels = value.matchLabels;
  if (!isObject(labels)) return undefined;
  return Object.keys(labels)
    .sort()
    .map((key) => `${key}=${labels[key]}`)
    .join(",");
};

/** The Scale of an object, or 404 where its kind has none. */
export const scaleOf = (kind: ResourceKind, object: KubeObject): JsonObject => {
  if (!kind.scale) throw pathNotFound();
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = kind.scale.labelSelector && selectorText(valueAt(object, kind.scale.labelSelector));
  const replicas = numberOf(valueAt(object, kind.scale.spec));
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      uid,
      resourceVersion,
      creationTimestamp,
    },
    spec: replicas ? { replicas } : {},
    status: {
      replicas: numberOf(valueAt(object, kind.scale.status)) ?? 0,
      ...(selector ? { selector } : {}),
    },
  };
};

/** Sets the count that a Scale asks for, in place. */
export const applyScale = (kind: ResourceKind, object: KubeObject, scale: JsonObject): void => {
  if (!kind.scale) throw pathNotFound();
  setAt(object, kind.scale.spec, numberOf(valueAt(scale, ["spec", "replicas"])) ?? 0);
};
