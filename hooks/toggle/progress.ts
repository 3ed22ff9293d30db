// SPDX-License-Identifier: Apache-2.0
// Follows a start: since when it has made no progress, and what its pods say about that.
import { secondsSinceEpoch, timeOf } from "../rfc3339.ts";
import type { Assessment } from "./assessment.ts";
import type { Deployment } from "./deployment.ts";
import { isReported, type PhaseFound } from "./phase.ts";
import { podsOf } from "./pod.ts";
import { type Problem, problemOf, trialOf } from "./pod-problem.ts";
import type { Progress } from "./schema.ts";

/** A phase with what is known of why it is not Running yet. */
export interface Followed extends PhaseFound {
  /** Why the pods are not ready, in words. */
  readonly problem?: string;
  /** How far the start has come; undefined where none is under way. */
  readonly progress?: Progress;
  /** Seconds until this is to be looked at again. */
  readonly after?: number;
}

/** What a start is of: the Deployment, undefined where it is still to be made, and the count that it shall have. */
interface Target {
  readonly deployment: Deployment | undefined;
  readonly desired: number;
}

type Counts = Pick<Progress, "updated" | "outdated" | "ready" | "available">;

/** The counts that tell of progress, as the Deployment's controller takes them; none before it has seen the spec as it is. */
const countsOf = (deployment: Deployment | undefined): Counts => {
  if (deployment === undefined || !isReported(deployment)) return {};
  const { replicas = 0, updatedReplicas = 0, readyReplicas, availableReplicas } = deployment.status ?? {};
  return {
    updated: updatedReplicas,
    outdated: Math.max(0, replicas - updatedReplicas),
    ready: readyReplicas ?? 0,
    available: availableReplicas ?? 0,
  };
};

/** The best of two counts: a pod that is ready, is not and is again makes no progress. */
const best = (
  before: number | undefined,
  now: number | undefined,
  better: (...counts: number[]) => number,
): number | undefined => (before === undefined || now === undefined ? (now ?? before) : better(before, now));

const bestOf = (before: Counts, now: Counts): Counts => {
  const updated = best(before.updated, now.updated, Math.max);
  const outdated = best(before.outdated, now.outdated, Math.min);
  const ready = best(before.ready, now.ready, Math.max);
  const available = best(before.available, now.available, Math.max);
  return {
    ...(updated !== undefined && { updated }),
    ...(outdated !== undefined && { outdated }),
    ...(ready !== undefined && { ready }),
    ...(available !== undefined && { available }),
  };
};

const isSame = (a: Counts, b: Counts): boolean =>
  a.updated === b.updated && a.outdated === b.outdated && a.ready === b.ready && a.available === b.available;

/**
 * Whether the last status was of what the spec is for now. Before that is the Toggle's own, its name is not remembered yet: the same
 * spec is for the same.
 */
const isOfTarget = ({ parent, before, spec }: Assessment): boolean =>
  before.observedGeneration === parent.metadata.generation ||
  (before.deploymentName ?? spec.target) === spec.target;

/** The progress that the last status tells of the same start. */
const progressBefore = (assessment: Assessment, { deployment, desired }: Target): Progress | undefined => {
  const { before } = assessment;
  const isSameStart =
    before.desiredReplicas === desired &&
    before.progress?.generation === (deployment?.metadata.generation ?? 0);
  return isSameStart && isOfTarget(assessment) ? before.progress : undefined;
};

/** How far the start has come; its time moves only when it gets further than it ever was. */
const progressOf = (assessment: Assessment, target: Target): Progress => {
  const { now } = assessment.context;
  const generation = target.deployment?.metadata.generation ?? 0;
  const before = progressBefore(assessment, target);
  const counts = bestOf(before ?? {}, countsOf(target.deployment));
  // One from the future somebody has written, or another clock.
  const isKnown = before !== undefined && isSame(before, counts) && secondsSince(before.time, now) >= 0;
  return { generation, time: isKnown ? before.time : now, ...counts };
};

const secondsSince = (time: string, now: string): number =>
  (secondsSinceEpoch(now) ?? 0) - (secondsSinceEpoch(time) ?? Number.POSITIVE_INFINITY);

/** `2026-11-22 10:00 UTC` */
const minuteOf = (time: string): string => {
  const utc = timeOf(secondsSinceEpoch(time) ?? 0);
  return `${utc.slice(0, 10)} ${utc.slice(11, 16)} UTC`;
};

/** A Deployment whose pods crash is up for moments: it is not Running before they have run for a while. */
const onTrial = ({ before, context }: Assessment, found: PhaseFound, pods: Pods): PhaseFound => {
  const { phase } = before;
  const wasDown = phase === "Starting" || phase === "Degraded";
  if (found.phase !== "Running" || !wasDown || trialOf(pods(), context.now) === undefined) return found;
  return { ...found, phase: phase === "Degraded" && before.progress === undefined ? phase : "Starting" };
};

type Pods = () => ReturnType<typeof podsOf>;

/** Says of a start that makes no progress that it is Degraded. A pod that is ready is available so many seconds later, as it should be. */
const inTime = (
  assessment: Assessment,
  found: PhaseFound,
  progress: Progress | undefined,
  minReadySeconds = 0,
): Pick<Followed, "phase" | "after"> & { readonly overdue?: string } => {
  const { now, startTimeoutSeconds: allowed } = assessment.context;
  const { phase, stuck } = found;
  if (progress === undefined || stuck || allowed === 0) return { phase };
  const left = Math.ceil(allowed + minReadySeconds - secondsSince(progress.time, now));
  if (left > 0) return { phase, after: left };
  return { phase: "Degraded", overdue: `No progress since ${minuteOf(progress.time)}.` };
};

/** The first of several waits in seconds, as `after` of what is to be looked at again. */
export const soonest = (...seconds: (number | undefined)[]): { after?: number } => {
  const known = seconds.filter((one) => one !== undefined);
  return known.length === 0 ? {} : { after: Math.min(...known) };
};

/** A start is under way: one that was has not been Running since, whatever went wrong in it. A paused rollout is no start. */
const isStart = ({ before }: Assessment, { phase }: PhaseFound, { deployment }: Target): boolean =>
  deployment?.spec.paused !== true &&
  (phase === "Starting" || (phase === "Degraded" && before.progress !== undefined));

/**
 * What is `found` of a Deployment that shall have replicas, with the reason why it is not Running. A start without progress for
 * context.startTimeoutSeconds is Degraded: not stalled, for nodes and registries come back, unless its pods lack what a person has
 * to provide.
 */
export const follow = (assessment: Assessment, target: Target, seen: PhaseFound): Followed => {
  const { deployment, desired } = target;
  const pods: Pods = () => (deployment === undefined ? [] : podsOf(assessment.related, deployment));
  const found = onTrial(assessment, seen, pods);
  if (desired === 0 || (found.phase !== "Starting" && found.phase !== "Degraded")) return found;
  const progress = isStart(assessment, found, target) ? progressOf(assessment, target) : undefined;
  const { phase, after, overdue } = inTime(assessment, found, progress, deployment?.spec.minReadySeconds);
  const looking = { now: assessment.context.now, closely: phase === "Degraded" };
  const problem: Problem | undefined = problemOf(pods(), looking);
  return {
    phase,
    message: [found.message, problem?.text, overdue].filter((part) => part !== undefined).join(" "),
    stuck: found.stuck || (overdue !== undefined && problem?.needsChange === true),
    ...(problem !== undefined && { problem: problem.text }),
    ...(progress !== undefined && { progress }),
    ...soonest(after, problem?.after),
  };
};
