// SPDX-License-Identifier: Apache-2.0
// Detects that something else keeps scaling the Deployment against the Toggle, and counts it in coarse steps so that the status
// does not change at each sync.
import { conditionOf } from "../metadata.ts";
import { secondsUntil } from "../rfc3339.ts";
import type { Assessment } from "./assessment.ts";
import { type Deployment, replicasOf, scalersOf } from "./deployment.ts";
import { MAX_SCALERS, type PutBack, type PutBackOf, putBackNote, putBackOn } from "./put-back.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { LastScaled, Phase, ToggleStatus } from "./schema.ts";

/** From this many put-backs in a row the Toggle is contended; the status counts no further. */
const MANY = 3;
/** Seconds after which a put-back is no longer in a row with the one before. */
const ROW_SECONDS = 600;
/** Seconds for which a put-back of a contended Toggle moves nothing in the status. */
const STEP_SECONDS = 60;
/** Seconds without a put-back after which the phase is again what the Deployment shows at the moment. */
const HELD_SECONDS = 2 * STEP_SECONDS;
/** Seconds after which a contended Toggle is no longer: ten quiet minutes, for the last put-back may be a step late. */
const QUIET_SECONDS = 600 + STEP_SECONDS;

/** What a sync found out about others that scale. */
export interface Contention {
  /** For the status. */
  readonly lastScaled?: LastScaled;
  /** For the Deployment, where the count was put back. */
  readonly putBack?: string;
  /** Who scales, and what to do; undefined where nobody fights. */
  readonly contended?: string;
  /** Whether the fight is going on, so that the phase of the moment says nothing. */
  readonly going: boolean;
  /** Seconds until this is to be looked at again. */
  readonly after?: number;
}

/** Phases in which the Deployment was not there or not ours: what it has afterwards is no change of a count that was set. */
const APART: ReadonlySet<Phase | undefined> = new Set<Phase>(["Missing", "Conflict", "Blocked"]);

/** What the last status says of the same count for the same Deployment by the same spec. */
const sameBefore = (
  { parent, before, spec }: Assessment,
  deployment: Deployment,
  desired: number,
): ToggleStatus | undefined =>
  // What waited for other Toggles is set to its count once it need not: nobody has changed that.
  before.waitingFor === undefined &&
  before.observedGeneration === parent.metadata.generation &&
  before.desiredReplicas === desired &&
  before.deploymentName === spec.target &&
  !APART.has(before.phase) &&
  (deployment.metadata.generation ?? 0) >= (before.lastScaled?.generation ?? 0)
    ? before
    : undefined;

/** The last time that the count was set, from the Deployment or, if that is newer, from the status. */
const lastOf = (
  same: ToggleStatus | undefined,
  deployment: Deployment,
  of: PutBackOf,
): PutBack | undefined => {
  if (same === undefined) return undefined;
  const [noted, stored] = [putBackOn(deployment, of), same.lastScaled];
  if (noted !== undefined && noted.generation >= (stored?.generation ?? 0)) return noted;
  return stored && { ...stored, by: [] };
};

/**
 * What a sync that sets the count adds. Our apply moves the generation by one and the change of somebody else by another:
 * at less than two more, it is the change that was answered before, seen again.
 */
const scaledNow = (
  same: ToggleStatus | undefined,
  last: PutBack | undefined,
  { generation, by, now }: { generation: number; by: readonly string[]; now: string },
): PutBack => {
  if (same === undefined) return { generation, putBacks: 0, time: now, by };
  if (last === undefined) return { generation, putBacks: 1, time: now, by };
  if (generation < last.generation + 2) return last;
  const age = secondsUntil(now, last.time);
  const putBacks = age > ROW_SECONDS ? 1 : Math.min(last.putBacks + 1, MANY);
  const isKnown = last.putBacks === MANY && putBacks === MANY && age < STEP_SECONDS;
  return isKnown ? last : { generation, putBacks, time: now, by };
};

const adviceOf = (spec: ResolvedSpec, desired: number): string => {
  if (desired === 0) return "Pause what scales it, or delete the Toggle with --cascade=orphan.";
  return spec.replicaPolicy === "Floor"
    ? `Give the autoscaler a minimum of at least ${desired}, or stop what scales it.`
    : "Set spec.replicaPolicy to Floor if that is an autoscaler, or stop it.";
};

const contendedText = (spec: ResolvedSpec, by: readonly string[], desired: number): string => {
  const who = by.length === 0 ? "" : ` (field manager ${by.join(", ")})`;
  const to = desired === 1 ? "1 replica" : `${desired} replicas`;
  return `Something else${who} scales the ${spec.workload}, which is put back to ${to} again and again. ${adviceOf(spec, desired)}`;
};

/** Looks at the count that `deployment` has beside the one that it shall have. */
export const contentionOf = (assessment: Assessment, deployment: Deployment, desired: number): Contention => {
  const { parent, spec, context } = assessment;
  const { now } = context;
  const same = sameBefore(assessment, deployment, desired);
  const of = { uid: spec.uid, generation: parent.metadata.generation ?? 0, replicas: desired };
  const last = lastOf(same, deployment, of);
  const by = scalersOf(deployment, spec.uid).slice(0, MAX_SCALERS);
  const putBack =
    replicasOf(deployment) === desired
      ? last
      : scaledNow(same, last, { generation: deployment.metadata.generation ?? 0, by, now });
  if (putBack === undefined) return { going: false };
  const { by: scalers, ...lastScaled } = putBack;
  const noted = {
    lastScaled,
    ...(lastScaled.putBacks !== 0 && { putBack: putBackNote(putBack, of) }),
  };
  if (lastScaled.putBacks < MANY) return { ...noted, going: false };
  const age = secondsUntil(now, lastScaled.time);
  if (age >= QUIET_SECONDS) return { going: false };
  const told = conditionOf(same?.conditions, "Contended")?.message;
  const going = age < HELD_SECONDS;
  return {
    ...noted,
    contended: told ?? contendedText(spec, scalers, desired),
    going,
    after: Math.max(1, Math.ceil((going ? HELD_SECONDS : QUIET_SECONDS) - age)),
  };
};
