// SPDX-License-Identifier: Apache-2.0
// Selects a parent's children among the observed objects: keeps owned ones that match, adopts matching orphans, releases the
// rest.
import type { KubeClient, KubeObject, ResourceInfo } from "../client.ts";
import { updateAtomically } from "./atomic-update.ts";
import { type LabelSelector, selects } from "./label-selector.ts";
import { apiFault, type Fault, fault, joined, type Outcome, ok } from "./outcome.ts";

/** The owner reference with `controller: true`. */
export const controllerOf = (object: KubeObject) =>
  object.metadata.ownerReferences?.find(({ controller }) => controller === true);

/** The reference that makes `parent` the controller of what carries it. */
export const controllerReference = (parent: KubeObject) => {
  const { name = "", uid = "" } = parent.metadata;
  return {
    apiVersion: parent.apiVersion,
    kind: parent.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
};

export type Claim = {
  client: KubeClient;
  parentResource: ResourceInfo;
  parent: KubeObject;
  selector: LabelSelector;
  /** Resolves when the mirror no longer has this version of the object. */
  replaced: (object: KubeObject) => Promise<void>;
};

/** What a sync does with an object that it observed. */
type Step = "keep" | "release" | "adopt" | "leave";

const stepFor = ({ parent, selector }: Claim, { metadata }: KubeObject, owner: string | undefined): Step => {
  const leaving = Boolean(parent.metadata.deletionTimestamp);
  const matches = selects(selector, metadata.labels);
  if (owner !== undefined && owner === parent.metadata.uid) {
    if (matches) return "keep";
    return leaving ? "leave" : "release";
  }
  const isOrphan = owner === undefined && !metadata.deletionTimestamp;
  return isOrphan && matches && !leaving ? "adopt" : "leave";
};

/** Claims objects of one resource for the parent. An adopted object is answered as it was observed, without its new owner. */
export const claimChildren = async (
  claim: Claim,
  resource: ResourceInfo,
  observed: KubeObject[],
): Promise<Outcome<KubeObject[]>> => {
  const claimed: KubeObject[] = [];
  const faults: Fault[] = [];
  let mayAdopt: Promise<Outcome<true>> | undefined;
  for (const object of observed) {
    const step = stepFor(claim, object, controllerOf(object)?.uid);
    if (step === "keep") claimed.push(object);
    if (step === "release") {
      const released = await release(claim, resource, object);
      if (!released.ok) faults.push(released);
      // A real API server's watch is as fast as its answer: the hook of this very sync sees that nobody owns the object.
      else await claim.replaced(object);
    }
    if (step === "adopt") {
      mayAdopt ??= isAlive(claim);
      const adopted = await adoptIf(await mayAdopt, claim, resource, object);
      if (!adopted.ok) faults.push(adopted);
      else if (adopted.value === "adopted") claimed.push(object);
    }
  }
  const all = joined(faults);
  return all ? fault(`can't claim ${resource.kind} children: ${all.message}`) : ok(claimed);
};

const adoptIf = async (
  allowed: Outcome<true>,
  claim: Claim,
  resource: ResourceInfo,
  object: KubeObject,
): Promise<Outcome<"adopted" | "gone">> => {
  if (allowed.ok) return adopt(claim, resource, object);
  const { namespace = "", name, uid } = object.metadata;
  return fault(`can't adopt ${resource.kind} ${namespace}/${name} (${uid}): ${allowed.message}`);
};

/** Asks the server, not the mirror: a parent that has just been deleted must adopt nothing. */
const isAlive = async ({ client, parentResource, parent }: Claim): Promise<Outcome<true>> => {
  const { namespace = "", name = "", uid } = parent.metadata;
  const fresh = await client.get(parentResource, { namespace, name });
  if (!fresh.ok) return apiFault("can't recheck DeletionTimestamp", fresh);
  const { uid: found, deletionTimestamp } = fresh.value.metadata;
  if (found !== uid) {
    const gone = `original ${parent.kind} ${namespace}/${name} is gone: got uid ${found}, wanted ${uid}`;
    return fault(`can't recheck DeletionTimestamp: ${gone}`);
  }
  return deletionTimestamp
    ? fault(`${namespace}/${name} has just been deleted at ${deletionTimestamp}`)
    : ok(true);
};

const adopt = async (
  { client, parent }: Claim,
  resource: ResourceInfo,
  object: KubeObject,
): Promise<Outcome<"adopted" | "gone">> => {
  const reference = controllerReference(parent);
  const answer = await updateAtomically(client, {
    resource,
    original: object,
    change: ({ metadata }) => {
      const others = (metadata.ownerReferences ?? []).filter(({ uid }) => uid !== reference.uid);
      metadata.ownerReferences = [...others, reference];
      return true;
    },
  });
  if (answer.ok) return ok("adopted");
  if (answer.status === 404) return ok("gone");
  return fault(answer.message);
};

const release = async (
  { client, parent }: Claim,
  resource: ResourceInfo,
  object: KubeObject,
): Promise<Outcome<true>> => {
  const answer = await updateAtomically(client, {
    resource,
    original: object,
    change: ({ metadata }) => {
      metadata.ownerReferences = (metadata.ownerReferences ?? []).filter(
        ({ uid }) => uid !== parent.metadata.uid,
      );
      return true;
    },
  });
  if (answer.ok || answer.status === 404 || answer.status === 410) return ok(true);
  return fault(answer.message);
};
