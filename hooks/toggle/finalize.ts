// SPDX-License-Identifier: Apache-2.0
// The finalize hook: lets the Toggle go where the garbage collector will delete nothing that the Toggle did not make.
import type { HookEvent } from "../hook-event.ts";
import type { FinalizeResponse } from "../metacontroller.ts";
import { relisted } from "./child.ts";
import { type Deployment, isMadeBy, replicasOf } from "./deployment.ts";
import { observe } from "./observed.ts";
import { type ResolvedSpec, resolveSpec } from "./resolved-spec.ts";
import type { Toggle, ToggleSyncRequest } from "./schema.ts";
import { type Finding, nextStatus, previousStatus } from "./status.ts";
import { eventsOf, type HookContext, namesOf } from "./sync.ts";

/** The finalizer that `kubectl delete --cascade=orphan` puts on an object; the garbage collector removes it. */
const ORPHAN = "orphan";

export interface FinalizeResult {
  readonly response: FinalizeResponse;
  readonly events: readonly HookEvent[];
  readonly outcome: "Finalized" | "Orphaning" | "Blocked";
}

/** The command that ends a deletion and leaves the Deployments. */
const orphanCommand = ({ name, namespace }: Toggle["metadata"]): string =>
  `kubectl delete toggle ${name} -n ${namespace} --cascade=orphan`;

const blockedText = (parent: Toggle, spec: ResolvedSpec, kept: readonly Deployment[]): string => {
  const one = kept.length === 1 ? "the Deployment" : "the Deployments";
  const onlyNamed = kept.every(({ metadata }) => metadata.name === spec.deploymentName);
  const either = onlyNamed ? "To delete it as well, set spec.deletionPolicy to Delete. " : "";
  return `Deleting this Toggle would delete ${one} ${namesOf(kept)}, which it did not make. ${either}To keep ${kept.length === 1 ? "it" : "them"}: ${orphanCommand(parent.metadata)}`;
};

/** The finalize hook. The same arguments give the same bytes. */
export const finalize = (request: ToggleSyncRequest, context: HookContext): FinalizeResult => {
  const { parent } = request;
  const spec = resolveSpec(parent, context.now);
  const { named, others, hidden } = observe(request, spec);
  const ours = named.state === "ours" && !hidden.includes(named.deployment) ? [named.deployment] : [];
  const listed = [...ours, ...others];
  const owned = [...listed, ...hidden].filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const kept = owned.filter(
    (deployment) =>
      !isMadeBy(deployment, parent.metadata.uid) &&
      !(spec.deletionPolicy === "Delete" && deployment.metadata.name === spec.deploymentName),
  );
  const orphaning = owned.length > 0 && parent.metadata.finalizers?.includes(ORPHAN) === true;
  if (!orphaning && kept.length === 0) {
    return { response: { finalized: true, children: [] }, events: [], outcome: "Finalized" };
  }
  const before = previousStatus(parent);
  const counted = owned.find(({ metadata }) => metadata.name === spec.deploymentName);
  const finding: Finding = {
    phase: "Blocked",
    message: orphaning
      ? `The garbage collector is letting go of ${namesOf(owned)}; this Toggle goes as soon as it has.`
      : blockedText(parent, spec, kept),
    stuck: !orphaning,
    ...(counted === undefined ? {} : { desired: replicasOf(counted), deployment: counted }),
  };
  return {
    response: {
      finalized: false,
      // A child that is left out is deleted at once.
      children: listed.map((deployment) => relisted(parent, spec, deployment)),
      status: nextStatus(parent, finding, context.now),
    },
    events: orphaning ? [] : eventsOf(before, finding),
    outcome: orphaning ? "Orphaning" : "Blocked",
  };
};
