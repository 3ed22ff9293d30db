// SPDX-License-Identifier: Apache-2.0
// Defines what both apply strategies share: their input, and the deletion of a child.
import { keyOf } from "../api/kube-object.ts";
import type { KubeClient, KubeObject, ResourceInfo } from "../client.ts";
import { apiFault, type Fault } from "./outcome.ts";

/** Dynamic apply keeps what it applied here; for a Secret that is a copy of its data. */
export const LAST_APPLIED = "metacontroller.k8s.io/last-applied-configuration";

type ChildToApply = {
  client: KubeClient;
  resource: ResourceInfo;
  parent: KubeObject;
  observed: KubeObject | undefined;
  /** A copy that may be changed. */
  desired: KubeObject;
};
/** Applies one child; undefined where nothing is to be reported. */
export type ApplyChild = (child: ChildToApply) => Promise<Fault | undefined>;

/** metadata that belongs to the server. */
export const systemFields = [
  "selfLink",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "managedFields",
] as const;

/** Empties the annotation where the hook answered it: a hook must not carry it on. */
export const emptyLastApplied = (object: KubeObject): void => {
  const { annotations } = object.metadata;
  if (annotations && annotations[LAST_APPLIED] !== undefined) annotations[LAST_APPLIED] = "";
};

/** `Secret demo/app`. */
export const describe = (object: KubeObject) => `${object.kind} ${keyOf(object)}`;

/** Deletes an observed child, and no other object of its name. A child that is gone already is no fault. */
export const deleteChild = async (
  client: KubeClient,
  resource: ResourceInfo,
  observed: KubeObject,
): Promise<Fault | undefined> => {
  const { namespace, name = "", uid = "" } = observed.metadata;
  const answer = await client.remove(resource, { namespace, name }, { uid, propagationPolicy: "Background" });
  if (answer.ok || answer.status === 404) return undefined;
  return apiFault(`can't delete ${describe(observed)}`, answer);
};
