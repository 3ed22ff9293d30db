// SPDX-License-Identifier: Apache-2.0
// The finalizer that a controller with a finalize hook keeps on its parents.
import type { ApiResult, KubeClient, KubeObject, ResourceInfo } from "../client.ts";
import { updateAtomically } from "./atomic-update.ts";

/** The name of a CompositeController's finalizer. */
export const finalizerName = (controller: string) => `metacontroller.io/compositecontroller-${controller}`;

export const hasFinalizer = (object: KubeObject, name: string): boolean =>
  object.metadata.finalizers?.includes(name) ?? false;

/** Adds the finalizer where it is wanted and missing, removes it where it is there and not wanted. */
export const syncFinalizer = async (
  client: KubeClient,
  resource: ResourceInfo,
  parent: KubeObject,
  finalizer: { name: string; wanted: boolean },
): Promise<ApiResult<KubeObject>> => {
  const { name, wanted } = finalizer;
  if (hasFinalizer(parent, name) === wanted) return { ok: true, value: parent };
  if (!wanted) return removeFinalizer(client, resource, parent, name);
  // The server takes no new finalizers on an object that is going away.
  if (parent.metadata.deletionTimestamp) return { ok: true, value: parent };
  return updateAtomically(client, {
    resource,
    original: parent,
    change: ({ metadata }) => {
      if (metadata.finalizers?.includes(name)) return false;
      metadata.finalizers = [...(metadata.finalizers ?? []), name];
      return true;
    },
  });
};

export const removeFinalizer = (
  client: KubeClient,
  resource: ResourceInfo,
  parent: KubeObject,
  name: string,
): Promise<ApiResult<KubeObject>> =>
  updateAtomically(client, {
    resource,
    original: parent,
    change: ({ metadata }) => {
      if (!metadata.finalizers?.includes(name)) return false;
      metadata.finalizers = metadata.finalizers.filter((entry) => entry !== name);
      return true;
    },
  });

/**
 * True where children are still to be managed although the parent is going away. Under a finalizer of the garbage
 * collector they are not: it is about to delete or to orphan them itself.
 */
export const managesWhileDeleting = (
  parent: KubeObject,
  finalizer: { name: string; wanted: boolean },
): boolean => {
  const collected = hasFinalizer(parent, "foregroundDeletion") || hasFinalizer(parent, "orphan");
  return finalizer.wanted && !collected && hasFinalizer(parent, finalizer.name);
};
