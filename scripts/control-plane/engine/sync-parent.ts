// SPDX-License-Identifier: Apache-2.0
// One sync of one parent, in Metacontroller's order: finalizer, children, related, hook, finalized, apply, status.

import { Value } from "@sinclair/typebox/value";
import { copy, equal, type JsonObject, valueAt } from "../api/json.ts";
import type { KubeClient, KubeObject, ResourceInfo } from "../client.ts";
import { updateAtomically } from "./atomic-update.ts";
import { claimChildren } from "./claim-children.ts";
import type { ControllerSpec } from "./composite-controller.ts";
import { hasFinalizer, managesWhileDeleting, removeFinalizer, syncFinalizer } from "./finalizer.ts";
import type { Hook } from "./hook.ts";
import type { SyncAnswer } from "./hook-answer.ts";
import type { Informer } from "./informer.ts";
import { isEmpty, LabelSelector, selects } from "./label-selector.ts";
import { type ChildManager, manageChildren } from "./manage-children.ts";
import { grouped, groupOf, insert, type ObjectGroups, shown } from "./object-groups.ts";
import { apiFault, type Fault, fault, type Outcome, ok } from "./outcome.ts";
import type { RelatedObjects } from "./related-objects.ts";

/** Which hook a sync called; none where the parent is none of the controller's business. */
export type HookCalled = "sync" | "finalize" | "none";

export type SyncContext = {
  client: KubeClient;
  spec: ControllerSpec;
  parentResource: ResourceInfo;
  finalizer: { name: string; wanted: boolean };
  /** What hooks get under `controller`. */
  controller: JsonObject;
  hooks: { sync: Hook<SyncAnswer>; finalize: Hook<SyncAnswer> | undefined };
  children: Informer[];
  related: RelatedObjects;
  manager: ChildManager;
  syncAgainAfter: (parent: KubeObject, seconds: number) => void;
};

/** True where a parent's labels are those the controller asks for. */
const isSelected = (
  { parentResource: { labelSelector } }: ControllerSpec,
  { metadata }: KubeObject,
): boolean => labelSelector === undefined || selects(labelSelector, metadata.labels);

/** True where a parent is selected, or its finalizer is there to be served. */
export const concerns = (context: Pick<SyncContext, "spec" | "finalizer">, parent: KubeObject): boolean =>
  hasFinalizer(parent, context.finalizer.name) || isSelected(context.spec, parent);

/** The selector of a parent's children: generated from its uid, or its own `spec.selector`. */
export const selectorOf = (spec: ControllerSpec, parent: KubeObject): Outcome<LabelSelector> => {
  if (spec.generateSelector) return ok({ matchLabels: { "controller-uid": parent.metadata.uid ?? "" } });
  const selector = valueAt(parent, ["spec", "selector"]) ?? {};
  if (!Value.Check(LabelSelector, selector)) {
    return fault(`can't get label selector from ${nameOf(parent)}`);
  }
  if (isEmpty(selector)) {
    return fault(".spec.selector must have either matchLabels, matchExpressions, or both");
  }
  return ok(selector);
};

const nameOf = ({ kind, metadata }: KubeObject) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;

/** Syncs one parent as it was last seen. Answers which hook was called, or the fault to report. */
export const syncParent = async (context: SyncContext, seen: KubeObject): Promise<Outcome<HookCalled>> => {
  const { client, parentResource, finalizer } = context;
  if (!concerns(context, seen)) return ok("none");
  const guarded = await syncFinalizer(client, parentResource, seen, finalizer);
  if (!guarded.ok) return apiFault(`can't sync finalizer for ${nameOf(seen)}`, guarded);
  if (!concerns(context, guarded.value)) return ok("none");

  const selector = selectorOf(context.spec, guarded.value);
  if (!selector.ok) return selector;
  const asked = await askHook(context, guarded.value, selector.value);
  if (!asked.ok) return asked;
  const { answer, observed, called } = asked.value;

  const { resyncAfterSeconds } = answer;
  if (resyncAfterSeconds > 0) context.syncAgainAfter(guarded.value, resyncAfterSeconds);
  const freed = answer.finalized
    ? await removeFinalizer(client, parentResource, guarded.value, finalizer.name)
    : guarded;
  if (!freed.ok) return apiFault(`can't remove finalizer for ${nameOf(guarded.value)}`, freed);
  const parent = freed.value;
  const wrong = labelChildren(context.spec, parent, selector.value, answer.children);
  if (wrong) return wrong;

  const failed = await reconcileChildren(context, parent, observed, answer.children);
  // The status is written even when applying the children failed.
  const reported = await writeStatus(context, parent, answer.status);
  return reported ?? failed ?? ok(called);
};

/** What a hook was shown and what it answered; children without a namespace are in the parent's. */
type Asked = { answer: SyncAnswer; observed: ObjectGroups; called: HookCalled };

const askHook = async (
  context: SyncContext,
  parent: KubeObject,
  selector: LabelSelector,
): Promise<Outcome<Asked>> => {
  const observed = await observedChildren(context, parent, selector);
  if (!observed.ok) return observed;
  const related = await context.related.of(parent);
  if (!related.ok) return related;
  // A parent that is no longer selected is let go as one that is deleted.
  const leaving = Boolean(parent.metadata.deletionTimestamp) || !isSelected(context.spec, parent);
  const finalize = leaving ? context.hooks.finalize : undefined;
  const body = {
    controller: context.controller,
    parent: copy(parent),
    children: shown(observed.value),
    related: shown(related.value),
    finalizing: finalize !== undefined,
  };
  const answer = await (finalize ?? context.hooks.sync).call(body, parent);
  if (!answer.ok) return { ...answer, message: `sync hook failed for ${nameOf(parent)}: ${answer.message}` };
  const { namespace } = parent.metadata;
  if (namespace) for (const { metadata } of answer.value.children) metadata.namespace ||= namespace;
  return ok({ answer: answer.value, observed: observed.value, called: finalize ? "finalize" : "sync" });
};

/** Makes the children what was answered, unless the parent goes and nothing waits for it. */
const reconcileChildren = async (
  { finalizer, manager }: SyncContext,
  parent: KubeObject,
  observed: ObjectGroups,
  children: KubeObject[],
): Promise<Fault | undefined> => {
  if (parent.metadata.deletionTimestamp && !managesWhileDeleting(parent, finalizer)) return undefined;
  const failed = await manageChildren(manager, parent, observed, grouped(children));
  return failed && fault(`can't reconcile children for ${nameOf(parent)}: ${failed.message}`);
};

const observedChildren = async (
  { client, parentResource, children }: SyncContext,
  parent: KubeObject,
  selector: LabelSelector,
): Promise<Outcome<ObjectGroups>> => {
  const groups: ObjectGroups = new Map();
  for (const informer of children) {
    groupOf(groups, informer.resource);
    const all = informer.list(parentResource.namespaced ? parent.metadata.namespace : undefined);
    const claim = { client, parentResource, parent, selector, replaced: informer.replaced };
    const claimed = await claimChildren(claim, informer.resource, all);
    if (!claimed.ok) return claimed;
    for (const child of claimed.value) insert(groups, child);
  }
  return ok(groups);
};

/** Labels what the selector is generated for, and refuses children that it would not match. */
const labelChildren = (
  spec: ControllerSpec,
  parent: KubeObject,
  selector: LabelSelector,
  children: KubeObject[],
): Fault | undefined => {
  for (const { kind, metadata } of children) {
    if (spec.generateSelector && metadata.labels?.["controller-uid"] === undefined) {
      metadata.labels = { ...metadata.labels, "controller-uid": parent.metadata.uid ?? "" };
    }
    if (selects(selector, metadata.labels)) continue;
    const name = `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;
    return fault(`labels on desired child ${name} don't match parent selector`);
  }
  return undefined;
};

const writeStatus = async (
  { client, parentResource }: SyncContext,
  parent: KubeObject,
  status: JsonObject,
): Promise<Fault | undefined> => {
  const wanted: JsonObject = { ...status, observedGeneration: parent.metadata.generation ?? 0 };
  const answer = await updateAtomically(client, {
    resource: parentResource,
    original: parent,
    subresource: "status",
    change: (fresh) => {
      if (equal(fresh.status, wanted)) return false;
      fresh.status = wanted;
      return true;
    },
  });
  // A parent that is gone has no status; one that changed in between is synced again anyway.
  if (answer.ok || answer.status === 404 || answer.status === 409) return undefined;
  return apiFault(`can't update status for ${nameOf(parent)}`, answer);
};
