// SPDX-License-Identifier: Apache-2.0
// Implements the finalize hook: delays the Toggle's deletion until garbage collection can't delete a Deployment that the Toggle
// did not create.
import type { FinalizeResponse, HookResult } from "../metacontroller.ts";
import { isBeingOrphaned } from "../metadata.ts";
import type { Assessment } from "./assessment.ts";
import { relisted } from "./child.ts";
import { type Deployment, isMadeBy, namesOf, replicasOf } from "./deployment.ts";
import { eventsOf } from "./events.ts";
import { isNamed } from "./observed.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { Toggle } from "./schema.ts";
import { type Finding, nextStatus } from "./status.ts";

export type FinalizeResult = HookResult<FinalizeResponse, "Finalized" | "Orphaning" | "Blocked">;

/** The command that ends a deletion and leaves the Deployments. */
const orphanCommand = ({ name, namespace }: Toggle["metadata"]): string =>
  `kubectl delete toggle ${name} -n ${namespace} --cascade=orphan`;

const blockedText = (parent: Toggle, spec: ResolvedSpec, kept: readonly Deployment[]): string => {
  const kinds = [...new Set(kept.map(({ kind }) => (kept.length === 1 ? kind : `${kind}s`)))];
  const one = `the ${kinds.join(" and ")}`;
  const onlyNamed = kept.every((one) => isNamed(one, spec));
  const either = onlyNamed ? "To delete it as well, set spec.deletionPolicy to Delete. " : "";
  return `Deleting this Toggle would delete ${one} ${namesOf(kept)}, which it did not make. ${either}To keep ${kept.length === 1 ? "it" : "them"}: ${orphanCommand(parent.metadata)}`;
};

/** The finalize hook. The same arguments give the same bytes. */
export const finalize = (assessment: Assessment): FinalizeResult => {
  const { parent, spec, before, observed, links } = assessment;
  const { named, others, hidden } = observed;
  const ours = named.kind === "ours" && !hidden.includes(named.deployment) ? [named.deployment] : [];
  const listed = [...ours, ...others];
  const owned = [...listed, ...hidden].filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const kept = owned.filter(
    (deployment) =>
      !isMadeBy(deployment, parent.metadata.uid) &&
      !(spec.deletionPolicy === "Delete" && isNamed(deployment, spec)),
  );
  const orphaning = owned.length > 0 && isBeingOrphaned(parent);
  if (!orphaning && kept.length === 0) {
    return { response: { finalized: true, children: [] }, events: [], outcome: "Finalized" };
  }
  const counted = owned.find((one) => isNamed(one, spec));
  const finding: Finding = {
    phase: "Blocked",
    message: orphaning
      ? `The garbage collector is letting go of ${namesOf(owned)}; this Toggle goes as soon as it has.`
      : blockedText(parent, spec, kept),
    stuck: !orphaning,
    ...(counted !== undefined && { desired: replicasOf(counted), deployment: counted }),
  };
  return {
    response: {
      finalized: false,
      // A child that is left out is deleted at once.
      children: [
        ...ours.map((deployment) => relisted(parent, spec, deployment, links.labels)),
        ...others.map((deployment) => relisted(parent, spec, deployment)),
      ],
      status: nextStatus(assessment, finding),
    },
    events: orphaning ? [] : eventsOf(before, finding),
    outcome: orphaning ? "Orphaning" : "Blocked",
  };
};
