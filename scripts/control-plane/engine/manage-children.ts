// SPDX-License-Identifier: Apache-2.0
// Reconciles the children with a response: deletes those it omits, applies the others, and continues after an error.
import { copy } from "../api/json.ts";
import type { KubeClient, KubeObject, ResourceInfo } from "../client.ts";
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

/** Answers the faults of all that could not be done as one. */
export const manageChildren = async (
  manager: ChildManager,
  parent: KubeObject,
  observed: ObjectGroups,
  desired: ObjectGroups,
): Promise<Fault | undefined> => {
  const { client } = manager;
  const removed = await eachObject(manager, observed, async (resource, child, group, key) => {
    if (child.metadata.deletionTimestamp || desired.get(group)?.objects.has(key)) return undefined;
    const failed = await deleteChild(client, resource, child);
    if (!failed) manager.forget(resource, child);
    return failed;
  });
  const applied = await eachObject(manager, desired, (resource, child, group, key) =>
    manager.apply({
      client,
      parent,
      resource,
      observed: observed.get(group)?.objects.get(key),
      desired: copy(child),
    }),
  );
  return joined([...removed, ...applied]);
};

type Act = (
  resource: ResourceInfo,
  object: KubeObject,
  group: string,
  key: string,
) => Promise<Fault | undefined>;

/** Does `act` with each object in turn, and answers with the faults, those of unknown kinds too. */
const eachObject = async ({ discovery }: ChildManager, groups: ObjectGroups, act: Act): Promise<Fault[]> => {
  const faults: Fault[] = [];
  for (const [group, { apiVersion, kind, objects }] of groups) {
    const resource = await discovery.byKind(apiVersion, kind);
    if (!resource.ok) {
      faults.push(resource);
      continue;
    }
    for (const [key, object] of objects) {
      const failed = await act(resource.value, object, group, key);
      if (failed) faults.push(failed);
    }
  }
  return faults;
};
