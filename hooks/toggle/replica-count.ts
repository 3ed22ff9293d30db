// SPDX-License-Identifier: Apache-2.0
// Computes the desired replicas of the Deployment, and the count to restore when it is switched on again.
import type { Assessment } from "./assessment.ts";
import { type Deployment, isSwitchedOffBy, notedCount, replicasOf } from "./deployment.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

export interface Count {
  readonly desired: number;
  /** The count to go back to; undefined as long as none is known. Never 0. */
  readonly remembered?: number;
  /** Whether the last status remembers it already. */
  readonly stored: boolean;
}

/** What of an assessment the count depends on. */
type Known = Pick<Assessment, "spec" | "before">;

/** The count that the last status remembers of this Deployment. */
const knownCount = ({ spec, before }: Known): number | undefined =>
  (before.deploymentName ?? spec.target) === spec.target ? before.lastReplicas : undefined;

const counted = (desired: number, remembered: number | undefined, stored: boolean): Count => ({
  desired,
  stored,
  ...(remembered !== undefined && { remembered }),
});

/** The count of a Deployment that is there and on; `known` is the one that it had. */
const countOfOn = (
  { replicas, replicaPolicy }: ResolvedSpec,
  observed: number,
  known: number | undefined,
): Pick<Count, "desired"> & { remembered: number } => {
  // Under Floor what is there counts, and is answered as it is: an autoscaler's count is never put back.
  const follows = replicaPolicy === "Floor" && observed > 0;
  const desired = follows ? Math.max(observed, replicas ?? 1) : (replicas ?? known ?? Math.max(observed, 1));
  // A count that it does not have yet does not replace the one that it had.
  return { desired, remembered: observed === 0 ? (known ?? desired) : desired };
};

/** The count of a Deployment that is there. */
const countOfPresent = (given: Known, deployment: Deployment): Count => {
  const { spec } = given;
  const observed = replicasOf(deployment);
  const wasOff = isSwitchedOffBy(deployment, spec.uid);
  // The note is as old as the 0 that it was written with; the status may have missed that write.
  const noted = observed === 0 || wasOff ? notedCount(deployment) : undefined;
  const stored = knownCount(given);
  const known = noted ?? stored;
  if (!spec.switched) {
    const remembered = observed > 0 ? observed : known;
    return counted(observed, remembered, remembered === stored);
  }
  if (spec.on) {
    const { desired, remembered } = countOfOn(spec, observed, known);
    return counted(desired, remembered, remembered === stored);
  }
  const follows = spec.replicaPolicy === "Floor" && observed > 0 && !wasOff;
  return counted(0, follows ? observed : (known ?? (observed || undefined)), false);
};

/** The count for `deployment`, or for one that is still to be made. */
export const countOf = (given: Known, deployment: Deployment | undefined): Count => {
  if (deployment !== undefined) return countOfPresent(given, deployment);
  const { spec } = given;
  const known = knownCount(given);
  return counted(spec.on ? (spec.replicas ?? known ?? 1) : 0, known, known !== undefined);
};
