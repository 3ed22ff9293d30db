// SPDX-License-Identifier: Apache-2.0
// How many replicas the Deployment shall have, and how many it gets back after it was off.
import { type Deployment, isSwitchedOffBy, notedCount, replicasOf } from "./deployment.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { ToggleStatus } from "./schema.ts";

export interface Count {
  readonly desired: number;
  /** The count to go back to; undefined as long as none is known. Never 0. */
  readonly remembered?: number;
  /** Whether the last status remembers it already. */
  readonly stored: boolean;
}

/** The count that the last status remembers of this Deployment. */
const knownCount = (spec: ResolvedSpec, before: ToggleStatus): number | undefined =>
  (before.deploymentName ?? spec.deploymentName) === spec.deploymentName ? before.lastReplicas : undefined;

/** The count of a Deployment that is there. */
const countOfPresent = (spec: ResolvedSpec, before: ToggleStatus, deployment: Deployment): Count => {
  const observed = replicasOf(deployment);
  const wasOff = isSwitchedOffBy(deployment, spec.uid);
  // The note is as old as the 0 that it was written with; the status may have missed that write.
  const noted = observed === 0 || wasOff ? notedCount(deployment) : undefined;
  const known = noted ?? knownCount(spec, before);
  if (!spec.switched) {
    const remembered = observed > 0 ? observed : known;
    return {
      desired: observed,
      stored: remembered === knownCount(spec, before),
      ...(remembered === undefined ? {} : { remembered }),
    };
  }
  const follows = spec.replicaPolicy === "Floor" && observed > 0;
  if (spec.on) {
    // Under Floor what is there counts, and is answered as it is: an autoscaler's count is never put back.
    const desired = follows
      ? Math.max(observed, spec.replicas ?? 1)
      : (spec.replicas ?? known ?? Math.max(observed, 1));
    // A count that it does not have yet does not replace the one that it had.
    const remembered = observed === 0 ? (known ?? desired) : desired;
    return { desired, remembered, stored: remembered === knownCount(spec, before) };
  }
  const remembered = follows && !wasOff ? observed : (known ?? (observed || undefined));
  return { desired: 0, stored: false, ...(remembered === undefined ? {} : { remembered }) };
};

/** The count for `deployment`, or for one that is still to be made. */
export const countOf = (
  spec: ResolvedSpec,
  before: ToggleStatus,
  deployment: Deployment | undefined,
): Count => {
  if (deployment !== undefined) return countOfPresent(spec, before, deployment);
  const known = knownCount(spec, before);
  return {
    desired: spec.on ? (spec.replicas ?? known ?? 1) : 0,
    stored: known !== undefined,
    ...(known === undefined ? {} : { remembered: known }),
  };
};
