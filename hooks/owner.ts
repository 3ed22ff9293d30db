// SPDX-License-Identifier: Apache-2.0
// Reads owner references, and whether a deletion orphans an object's dependents.
import type { AnyObject, OwnerReference } from "./kubernetes.ts";

type Meta = Pick<AnyObject, "metadata">;

/** What an object that Keyswitch makes carries. */
export const MANAGED_BY = { "app.kubernetes.io/managed-by": "keyswitch" } as const;

/** The finalizer that `kubectl delete --cascade=orphan` puts on an object; the garbage collector removes it. */
const ORPHAN = "orphan";

/** The controller of `object`, if it has one. */
export const controllerOf = ({ metadata }: Meta): OwnerReference | undefined =>
  metadata.ownerReferences?.find((owner) => owner.controller === true);

/** Whether `object` goes when the object with `uid` goes. */
export const isOwnedBy = ({ metadata }: Meta, uid: string): boolean =>
  metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;

/** Whether what `parent` owns is to be let go of, and the garbage collector has not done so yet. */
export const isToOrphan = ({ metadata }: Meta): boolean => metadata.finalizers?.includes(ORPHAN) === true;
