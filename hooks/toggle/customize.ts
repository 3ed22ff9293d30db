// SPDX-License-Identifier: Apache-2.0
// Implements the customize hook: requests the Deployment of the Toggle's name, whoever owns it, so that sync can refuse a
// foreign one, those of the Toggles that it depends on or that depend on it, and the pods that tell why it is not ready.
import { metadataFault } from "../formats.ts";
import type { AnyObject } from "../kubernetes.ts";
import type { CustomizeResponse } from "../metacontroller.ts";
import { dependencyRules } from "./dependency-labels.ts";
import type { Toggle } from "./schema.ts";
import { previousStatus } from "./status.ts";
import { type Kind, kindsOf, RESOURCES, targetOf } from "./target.ts";

type Rules = CustomizeResponse["relatedResources"];

/**
 * The one Deployment or StatefulSet that the Toggle names. While the Toggle is being deleted, all of its namespace:
 * Metacontroller then hides an owned Deployment whose labels were changed, and the garbage collector would delete it.
 */
const namedRules = (parent: Toggle, kinds: readonly Kind[]): Rules => {
  const { kind, name } = targetOf(parent);
  const { namespace, deletionTimestamp } = parent.metadata;
  const isLeaving = deletionTimestamp !== undefined;
  return kinds
    .filter((one) => isLeaving || one === kind)
    .map((one) => ({
      apiVersion: "apps/v1",
      resource: RESOURCES[one],
      namespace,
      ...(!isLeaving && { names: [name] }),
    }));
};

/** With more replicas than this the pods are not asked for: all of them are in each request, whose size is limited. */
const MAX_PODS = 300;

/**
 * The pods with the labels of the selector. The Deployment's own selector is not known here, and the answer is kept as long as the
 * spec stays as it is: pods without these labels tell nothing.
 */
const podRules = (parent: Toggle): Rules => {
  const { metadata, spec } = parent;
  const { matchLabels } = spec.selector;
  const { replicas = 0, desiredReplicas = 0, lastReplicas = 0 } = previousStatus(parent);
  const isOfUse =
    metadata.deletionTimestamp === undefined &&
    Math.max(spec.replicas ?? 0, replicas, desiredReplicas, lastReplicas) <= MAX_PODS &&
    metadataFault("labels", matchLabels) === undefined;
  return isOfUse
    ? [{ apiVersion: "v1", resource: "pods", namespace: metadata.namespace, labelSelector: { matchLabels } }]
    : [];
};

/** The related objects of `parent`, for the CompositeController `controller`; `pods`: whether pods may be asked for. */
export const customize = (parent: Toggle, controller: AnyObject, pods = true): CustomizeResponse => {
  const kinds = kindsOf(controller);
  return {
    relatedResources: [
      ...namedRules(parent, kinds),
      ...dependencyRules(parent, kinds),
      ...(pods ? podRules(parent) : []),
    ],
  };
};
