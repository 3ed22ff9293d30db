// SPDX-License-Identifier: Apache-2.0
// Says what is wrong with a container: its image, its configuration, or that it crashes. Names and exit codes alone, for messages of
// the kubelet may quote arguments, and those of the program anything.
import { secondsSinceEpoch } from "../rfc3339.ts";
import type { ContainerStatus, Terminated } from "./pod.ts";

/** How to look at pods. */
export interface Looking {
  /** The time, as RFC 3339. */
  readonly now: string;
  /** Whether to tell also what passes by itself as a rule: a container that is being made, or that is not ready yet. */
  readonly closely: boolean;
}

export interface ContainerProblem {
  readonly text: string;
  readonly needsChange: boolean;
  readonly crashed: boolean;
  /** Whether it only takes its time. */
  readonly waits: boolean;
  /** Seconds until a container that crashed and runs again has run for long enough. */
  readonly after?: number;
}

/** The container in words, and what it is made of. */
interface Described {
  /** `container` or `init container` */
  readonly kind: string;
  readonly image: string | undefined;
}

/** A registry's host and port, a path, a tag and a digest. What has another shape may be anything, and is not repeated. */
const IMAGE =
  /^(?:[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?\/)?[A-Za-z0-9._/-]{1,255}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64})?$/;
const REASON = /^[A-Za-z][A-Za-z0-9]{0,63}$/;
/** What the kubelet says is missing: the name of a Secret or a ConfigMap, and of a key. */
const MISSING = /^(secret|configmap) "([a-z0-9.-]{1,253})" not found$/;
const MISSING_KEY =
  /^couldn't find key ([-._a-zA-Z0-9]{1,253}) in (Secret|ConfigMap) [a-z0-9-]+\/([a-z0-9.-]{1,253})$/;

/** While it is pulled again and again the kubelet says the one and the other. */
const PULLING: ReadonlySet<string> = new Set(["ErrImagePull", "ImagePullBackOff"]);
/** Reasons of an image that only another one, or another spec, mends. */
const IMAGE_REASONS: Readonly<Record<string, string>> = {
  InvalidImageName: "is no valid name",
  ErrImageNeverPull: "is not on the node, and is never pulled",
};
/** Reasons with which a container begins. */
const BEGINNING: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);

const problem = (text: string, more: Partial<ContainerProblem> = {}): ContainerProblem => ({
  text,
  needsChange: false,
  crashed: false,
  waits: false,
  ...more,
});

const imageText = (image: string | undefined): string =>
  image !== undefined && IMAGE.test(image) ? `the image ${image}` : "the image";

/** What the kubelet misses for the container's environment, by name. */
const missingText = (message: string): string | undefined => {
  const [, kind, name] = MISSING.exec(message) ?? [];
  if (name !== undefined) return `the ${kind === "secret" ? "Secret" : "ConfigMap"} ${name} is not there`;
  const [, key, of, where] = MISSING_KEY.exec(message) ?? [];
  return key === undefined ? undefined : `the ${of} ${where} has no key ${key}`;
};

const waiting = (
  reason: string,
  { state, name }: ContainerStatus,
  { kind, image }: Described,
  closely: boolean,
): ContainerProblem | undefined => {
  if (PULLING.has(reason)) {
    return problem(`ImagePullBackOff: ${imageText(image)} of the ${kind} ${name} can't be pulled.`);
  }
  const isWrong = Object.hasOwn(IMAGE_REASONS, reason) ? IMAGE_REASONS[reason] : undefined;
  if (isWrong !== undefined) {
    return problem(`${reason}: ${imageText(image)} of the ${kind} ${name} ${isWrong}.`, {
      needsChange: true,
    });
  }
  if (BEGINNING.has(reason) || !REASON.test(reason)) {
    const told = `ContainerCreating: the ${kind} ${name} is not made yet; kubectl describe pod shows why.`;
    return closely && reason !== "PodInitializing" ? problem(told, { waits: true }) : undefined;
  }
  const missing =
    reason === "CreateContainerConfigError" ? missingText(state?.waiting?.message ?? "") : undefined;
  return missing === undefined
    ? problem(`${reason}: the ${kind} ${name} can't be started.`)
    : problem(`${reason}: the ${kind} ${name} can't be started, for ${missing}.`, { needsChange: true });
};

/** A container that ran for so long, in seconds, is not held back any more by the kubelet when it ends. */
const LONG_RUN_SECONDS = 600;
/** The longest time for which the kubelet holds back a container that crashes; the first is 10 s, and each is twice the one before. */
const MAX_BACK_OFF_SECONDS = 300;

const backOffSeconds = (restarts: number): number =>
  Math.min(10 * 2 ** Math.min(Math.max(restarts, 1) - 1, 10), MAX_BACK_OFF_SECONDS);

/** Seconds from one time to another; undefined where one of them is missing. */
const elapsed = (from: string | null | undefined, to: string | null | undefined): number | undefined => {
  const [began, ended] = [secondsSinceEpoch(from ?? ""), secondsSinceEpoch(to ?? "")];
  return began === undefined || ended === undefined ? undefined : ended - began;
};

/**
 * How long a container that runs again has still to run, in seconds, until its crash counts no more: as long as the kubelet held
 * it back. Of one that is not ready the crash is told until the longest of those times is over.
 */
const trialLeft = ({ ready, restartCount = 0, state, lastState }: ContainerStatus, now: string): number => {
  const last = lastState?.terminated;
  const ran = elapsed(last?.startedAt, last?.finishedAt) ?? LONG_RUN_SECONDS;
  const runs = elapsed(state?.running?.startedAt, now);
  if (ran >= LONG_RUN_SECONDS || runs === undefined) return 0;
  const trial = ready === true ? backOffSeconds(restartCount) : MAX_BACK_OFF_SECONDS;
  return Math.ceil(trial - runs);
};

/** How it ended. OOMKilled and the like say more than the code. */
const crashText = ({ exitCode, reason = "" }: Terminated, name: string, { kind }: Described): string => {
  const more = REASON.test(reason) && reason !== "Error" && reason !== "Completed" ? ` (${reason})` : "";
  return `CrashLoopBackOff: the ${kind} ${name} ended with exit code ${exitCode}${more}.`;
};

/** That it crashed: it waits, has just ended, or runs again and has not proved itself. */
const crash = (
  container: ContainerStatus,
  described: Described,
  now: string,
): ContainerProblem | undefined => {
  const { state, lastState, name } = container;
  const isDone = described.kind === "init container" && state?.terminated?.exitCode === 0;
  const last = state?.terminated ?? lastState?.terminated;
  if (isDone || last === undefined) return undefined;
  const told = problem(crashText(last, name, described), { crashed: true });
  if (state?.running === undefined) return told;
  const after = trialLeft(container, now);
  return after > 0 ? { ...told, after } : undefined;
};

/** Of a container that runs and is not ready: a probe says so, or it is an init container that has not ended. */
const unready = (
  { name, ready, state }: ContainerStatus,
  { kind }: Described,
): ContainerProblem | undefined => {
  if (ready === true || state?.running === undefined) return undefined;
  const told =
    kind === "container"
      ? `NotReady: the container ${name} runs, and its probe says that it is not ready.`
      : `PodInitializing: the ${kind} ${name} has not ended yet.`;
  return problem(told, { waits: true });
};

/** The kubelet could not start it, and holds it back as one that crashes. */
const isHeldBack = ({ lastState }: ContainerStatus, reason: string): boolean =>
  reason === "CrashLoopBackOff" || (reason === "RunContainerError" && lastState?.terminated !== undefined);

/** What is wrong with the container; undefined where nothing is, or nothing that would be worth telling. */
export const containerProblem = (
  container: ContainerStatus,
  described: Described,
  { now, closely }: Looking,
): ContainerProblem | undefined => {
  const reason = container.state?.waiting?.reason;
  if (reason !== undefined && !isHeldBack(container, reason)) {
    return waiting(reason, container, described, closely);
  }
  return crash(container, described, now) ?? (closely ? unready(container, described) : undefined);
};
