// SPDX-License-Identifier: Apache-2.0
// Finds the most telling reason why pods are not ready, in words that stay the same while it lasts: no names of pods, no counts,
// no times, and nothing of what a container printed or was given.
import { shorten } from "../display-text.ts";
import { type ContainerProblem, containerProblem, type Looking } from "./container-problem.ts";
import type { ContainerStatus, Pod } from "./pod.ts";

/** The longest text of the scheduler that a message repeats. */
const MAX_QUOTE = 300;

/** What keeps pods from being ready. */
export interface Problem {
  readonly text: string;
  /** Whether nobody but a person who changes something can end it. */
  readonly needsChange: boolean;
  /** Seconds until it is to be looked at again though nothing changes. */
  readonly after?: number;
}

/** The most telling first. */
const RANKS = { container: 0, crash: 1, scheduler: 2, waiting: 3, failed: 4 } as const;

type Ranked = Problem & { readonly rank: number };

/** What the scheduler adds about evicting others. */
const EVICTING = /[.,]?(?: no new claims to deallocate,)?\s*preemption: .*$/su;

/** Why no node takes the pod, in the scheduler's words but for what it would gain by evicting others. */
const unscheduled = ({ status }: Pod): Ranked | undefined => {
  const found = status?.conditions?.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  if (found === undefined || (found.reason ?? "") === "") return undefined;
  const why = (found.message ?? "").replace(EVICTING, "");
  const text = shorten(why === "" ? `${found.reason}` : `${found.reason}: ${why}`, MAX_QUOTE);
  return { rank: RANKS.scheduler, text: /[.…]$/u.test(text) ? text : `${text}.`, needsChange: false };
};

/** A pod that its node has given up; another one is made in its place, and it stays to be looked at. */
const failed = ({ status }: Pod): Ranked | undefined =>
  status?.phase === "Failed"
    ? {
        rank: RANKS.failed,
        text: `${/^[A-Za-z]{1,64}$/.test(status.reason ?? "") ? status.reason : "Failed"}: a pod was given up.`,
        needsChange: false,
      }
    : undefined;

const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;

const ranked = ({ crashed, waits, ...problem }: ContainerProblem): Ranked => ({
  ...problem,
  rank: RANKS[waits ? "waiting" : crashed ? "crash" : "container"],
});

/** What is wrong with the containers of `pod`; of one that is ready only that it crashed a moment ago. */
const ofContainers = (pod: Pod, looking: Looking): Ranked[] => {
  const { spec, status } = pod;
  const images = new Map(
    [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(({ name, image }) => [name, image]),
  );
  const look = (statuses: readonly ContainerStatus[] | undefined, kind: string): Ranked[] =>
    (statuses ?? []).flatMap((one) => {
      const found = containerProblem(one, { kind, image: images.get(one.name) }, looking);
      return found === undefined ? [] : [ranked(found)];
    });
  return [
    ...look(status?.initContainerStatuses, "init container"),
    ...look(status?.containerStatuses, "container"),
  ];
};

const ofPod = (pod: Pod, looking: Looking): Ranked[] => {
  const gone = failed(pod);
  if (gone !== undefined) return looking.closely ? [gone] : [];
  const refused = unscheduled(pod);
  if (refused !== undefined) return [refused];
  const found = ofContainers(pod, looking);
  return isReady(pod) ? found.filter(({ after }) => after !== undefined) : found;
};

/** The most telling of all problems of `pods`; of two that are as telling always the same one. */
export const problemOf = (pods: readonly Pod[], looking: Looking): Problem | undefined => {
  const [first, ...others] = pods
    .flatMap((pod) => ofPod(pod, looking))
    .toSorted((a, b) => a.rank - b.rank || (a.text < b.text ? -1 : 1));
  if (first === undefined) return undefined;
  const waits = [first, ...others].flatMap(({ after }) => after ?? []);
  const { text, needsChange } = first;
  return { text, needsChange, ...(waits.length > 0 && { after: Math.min(...waits) }) };
};

/** What `pods` that are ready have still to show: one of their containers crashed a moment ago. */
export const trialOf = (pods: readonly Pod[], now: string): Problem | undefined =>
  problemOf(pods.filter(isReady), { now, closely: false });
