// SPDX-License-Identifier: Apache-2.0
// Makes the children what an answer says: deletes those it leaves out, applies the others, and goes on after a fault.
import { copy } from "../api/json.ts";
import type { KubeClient, KubeObject } from "../client.ts";
import { type ApplyChild, deleteChild } from "./apply-child.ts";
import type { ServerSideApply } from "./apply-server-side.ts";
import type { Discovery } from "./discovery.ts";
import type { ObjectGroups } from "./object-groups.ts";
import { type Fault, joined } from "./outcome.ts";

export type ChildManager = {
  client: KubeClient;
  discovery: Discovery;
  apply: ApplyChild;
  forget: ServerSideApply["forget"];
};

export const manageChildren = async (
  manager: ChildManager,
  parent: KubeObject,
  observed: ObjectGroups,
  desired: ObjectGroups,
): Promise<Fault | undefined> => {
  const { client, discovery } = manager;
  const faults: Fault[] = [];
  for (const [group, { apiVersion, kind, objects }] of observed) {
    const resource = await discovery.byKind(apiVersion, kind);
    if (!resource.ok) {
      faults.push(resource);
      continue;
    }
    for (const [key, child] of objects) {
      if (child.metadata.deletionTimestamp || desired.get(group)?.objects.has(key)) continue;
      const failed = await deleteChild(client, resource.value, child);
      if (failed) faults.push(failed);
      else manager.forget(resource.value, child);
    }
  }
  for (const [group, { apiVersion, kind, objects }] of desired) {
    const resource = await discovery.byKind(apiVersion, kind);
    if (!resource.ok) {
      faults.push(resource);
      continue;
    }
    for (const [key, child] of objects) {
      const failed = await manager.apply({
        client,
        parent,
        resource: resource.value,
        observed: observed.get(group)?.objects.get(key),
        desired: copy(child),
      });
      if (failed) faults.push(failed);
    }
  }
  return joined(faults);
};
