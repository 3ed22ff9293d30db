// SPDX-License-Identifier: Apache-2.0
// Maps an event about a child to the parents that it concerns: its owner, or whoever may adopt it.
import { storeKey } from "../api/kube-object.ts";
import type { KubeObject, ResourceInfo } from "../client.ts";
import { controllerOf } from "./claim-children.ts";
import type { ControllerSpec } from "./composite-controller.ts";
import type { Informer, Subscriber } from "./informer.ts";
import { selects } from "./label-selector.ts";
import { selectorOf } from "./sync-parent.ts";

export type ChildEventOptions = {
  spec: ControllerSpec;
  parentResource: ResourceInfo;
  parents: Informer;
  enqueue: (parent: KubeObject) => void;
};

const groupOf = (apiVersion: string) => (apiVersion.includes("/") ? apiVersion.split("/")[0] : "");

/** A subscriber for the informer of each child resource. */
export const childSubscriber = ({
  spec,
  parentResource,
  parents,
  enqueue,
}: ChildEventOptions): Subscriber => {
  // A namespaced parent has its children in its own namespace.
  const namespaceOf = (child: KubeObject) =>
    parentResource.namespaced ? child.metadata.namespace : undefined;

  const ownerOf = (child: KubeObject): KubeObject | undefined => {
    const reference = controllerOf(child);
    if (!reference || reference.kind !== parentResource.kind) return undefined;
    if (groupOf(reference.apiVersion) !== groupOf(parentResource.apiVersion)) return undefined;
    const parent = parents.get(storeKey(namespaceOf(child), reference.name));
    return parent?.metadata.uid === reference.uid ? parent : undefined;
  };
  const gone = (child: KubeObject) => {
    const parent = ownerOf(child);
    if (parent) enqueue(parent);
  };
  const seen = (child: KubeObject) => {
    if (child.metadata.deletionTimestamp || controllerOf(child)) {
      gone(child);
      return;
    }
    for (const parent of parents.list(namespaceOf(child))) {
      const selector = selectorOf(spec, parent);
      if (selector.ok && selects(selector.value, child.metadata.labels)) enqueue(parent);
    }
  };
  return { added: seen, updated: (_, current) => seen(current), deleted: gone };
};
