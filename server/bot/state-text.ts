// SPDX-License-Identifier: Apache-2.0
// Describes a Toggle's state in a sentence for the chat, and tells whether it will still change by itself.
import { conditionOf } from "../../hooks/metadata.ts";
import { secondsSinceEpoch } from "../../hooks/rfc3339.ts";
import type { Phase, Toggle, ToggleStatus } from "../../hooks/toggle/schema.ts";
import { previousStatus } from "../../hooks/toggle/status.ts";
import { targetOf } from "../../hooks/toggle/target.ts";
import { oneLine, shorten } from "../display-text.ts";
import { lastSwitchOf } from "../kubernetes/last-switch.ts";

/** The longest part of a status message, a reason or a name that is repeated in chat. */
const MAX_QUOTE = 600;
const MAX_REASON_SHOWN = 200;
const MINUTE_MS = 60_000;

/** The reason that a switch has where its user gave none; it is not worth showing. */
export const defaultReason = (verb: "start" | "stop", room: string): string =>
  `"${verb}" in chat room ${oneLine(room)}`;
const DEFAULT_REASON = /^"(start|stop)" in chat room !/;

/** `2026-11-22 10:00 UTC` */
const utc = (milliseconds: number): string => {
  const iso = new Date(milliseconds).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
};

/** spec.until as milliseconds since the epoch, where it is one that a Date can hold. */
export const untilOf = ({ spec }: Toggle): number | undefined => {
  const seconds = spec.until === undefined ? undefined : secondsSinceEpoch(spec.until);
  return seconds === undefined || Math.abs(seconds) > 8.64e12 ? undefined : seconds * 1000;
};

/**
 * Whether the spec says on at the time `now` (ms since the epoch); without a switch the Deployment stays as it is. What a
 * schedule says its status alone tells.
 */
export const isOn = (toggle: Toggle, now: number): boolean => {
  const status = previousStatus(toggle);
  const { desiredReplicas = 0 } = status;
  if (toggle.spec.schedule !== undefined && isCurrent(toggle, status)) return desiredReplicas > 0;
  const until = untilOf(toggle);
  return (toggle.spec.enabled ?? desiredReplicas > 0) && (until === undefined || until > now);
};

/** Whether the status speaks of the spec as it is now. */
export const isCurrent = (toggle: Toggle, status: ToggleStatus): boolean =>
  status.phase !== undefined && (status.observedGeneration ?? 0) >= (toggle.metadata.generation ?? 0);

const WORDS: Readonly<Record<Phase, string>> = {
  Off: "off",
  Stopping: "stopping",
  Starting: "starting",
  Running: "running",
  Degraded: "degraded",
  Missing: "without",
  Conflict: "in conflict",
  Blocked: "held up",
};

const wordsOf = (toggle: Toggle, phase: Phase): string =>
  phase === "Missing" ? `${WORDS[phase]} a ${targetOf(toggle).kind}` : WORDS[phase];

const isStalled = (status: ToggleStatus): boolean =>
  conditionOf(status.conditions, "Stalled")?.status === "True";

/** Whether nothing more will happen before somebody does something. */
export const isSettled = (toggle: Toggle, now: number): boolean => {
  const status = previousStatus(toggle);
  if (!isCurrent(toggle, status) || isExpiring(toggle, status, now)) return false;
  if (status.phase === "Degraded" || status.phase === "Blocked") return isStalled(status);
  return status.phase !== "Starting" && status.phase !== "Stopping";
};

/** Whether the Deployment is what the spec says, on or off, as far as the spec of now or of just before it was seen. */
export const isAsAsked = (toggle: Toggle, now: number): boolean => {
  const { phase, desiredReplicas = 0, observedGeneration = 0 } = previousStatus(toggle);
  if (observedGeneration < (toggle.metadata.generation ?? 0) - 1) return false;
  return isOn(toggle, now) ? phase === "Running" && desiredReplicas > 0 : phase === "Off";
};

/** spec.until has passed, and the status does not know it yet. */
const isExpiring = (toggle: Toggle, { desiredReplicas = 0 }: ToggleStatus, now: number): boolean =>
  desiredReplicas > 0 && !isOn(toggle, now);

/** What a Toggle does whose status does not speak of its spec yet. */
const switchingText = (toggle: Toggle, now: number): string => {
  if (toggle.spec.enabled === undefined && untilOf(toggle) === undefined) return "not switched yet";
  if (!isOn(toggle, now)) return "switching off…";
  const restart = secondsSinceEpoch(toggle.spec.restartAt ?? "") ?? Number.NEGATIVE_INFINITY;
  return now - restart * 1000 < MINUTE_MS ? "restarting…" : "switching on…";
};

/** How far off a time is, in words that seldom change while it comes nearer: an answer is edited as they do. */
const inText = (ms: number): string => {
  const minutes = Math.round(ms / MINUTE_MS);
  if (minutes < 1) return "in less than a minute";
  if (minutes < 20) return `in ${minutes} min`;
  if (minutes < 90) return `in ${5 * Math.round(minutes / 5)} min`;
  if (minutes < 10 * 60) return `in ${Math.round(minutes / 30) / 2} h`;
  return minutes < 36 * 60 ? `in ${Math.round(minutes / 60)} h` : `in ${Math.round(minutes / 1440)} d`;
};

/** `in 2 h, at 2026-11-22 10:00 UTC` */
export const timeAhead = (milliseconds: number, now: number): string =>
  `${inText(milliseconds - now)}, at ${utc(milliseconds)}`;

const counts = ({ desiredReplicas = 0, readyReplicas = 0, availableReplicas = 0 }: ToggleStatus): string =>
  `${desiredReplicas} desired, ${readyReplicas} ready, ${availableReplicas} available`;

/** When it goes off or on by itself, or did, with a space before it; empty where nothing is set. */
export const untilText = (toggle: Toggle, now: number): string => {
  if (toggle.spec.schedule !== undefined) {
    const status = previousStatus(toggle);
    const { nextChange } = isCurrent(toggle, status) ? status : {};
    // Not by Date, which knows no leap second: whoever may write a status could have every answer fail.
    const at = secondsSinceEpoch(nextChange?.time ?? "");
    if (nextChange === undefined || at === undefined) return "";
    return ` It goes ${nextChange.to.toLowerCase()} ${timeAhead(at * 1000, now)}.`;
  }
  const until = untilOf(toggle);
  if (until === undefined || toggle.spec.enabled === false) return "";
  return until > now ? ` It goes off ${timeAhead(until, now)}.` : ` Its time was over at ${utc(until)}.`;
};

const lookText = (toggle: Toggle): string => {
  const { kind, name } = targetOf(toggle);
  return `Look with: kubectl describe ${kind.toLowerCase()} ${name} -n ${toggle.metadata.namespace}`;
};

/** Why it waits or takes long, or what the phase asks somebody to do. The hooks' messages say it, except for a Deployment that fails. */
const adviceText = (toggle: Toggle, status: ToggleStatus): string => {
  const { phase, message = "", problem, waitingFor } = status;
  if (waitingFor !== undefined) return ` It waits for ${shorten(waitingFor.join(", "), MAX_QUOTE)}.`;
  if (phase === "Starting" && problem !== undefined) return ` ${shorten(problem, MAX_QUOTE)}`;
  if (phase === undefined || !["Degraded", "Missing", "Conflict", "Blocked"].includes(phase)) return "";
  const said = ` ${shorten(message, MAX_QUOTE)}`;
  return phase === "Degraded" ? `${said} ${lookText(toggle)}` : said;
};

/** The counts behind a phase: of one that stops those that are left, because what is ready of them says nothing. */
const countedText = (phase: Phase, status: ToggleStatus): string => {
  if (phase === "Missing" || phase === "Conflict") return "";
  if (phase !== "Stopping") return `: ${counts(status)}`;
  const { replicas = 0 } = status;
  return replicas === 0 ? "" : `: ${replicas} ${replicas === 1 ? "pod" : "pods"} left`;
};

/** The state of `toggle` in a line: what it does, its counts, when it goes off, and what to do where something is wrong. */
export const stateText = (toggle: Toggle, now: number): string => {
  const { name } = toggle.metadata;
  const status = previousStatus(toggle);
  if (!isCurrent(toggle, status) || isExpiring(toggle, status, now)) {
    return `${name} is ${switchingText(toggle, now)}${untilText(toggle, now)}`;
  }
  const { phase = "Off" } = status;
  return `${name} is ${wordsOf(toggle, phase)}${countedText(phase, status)}.${untilText(toggle, now)}${adviceText(toggle, status)}`;
};

/** The same of a Toggle right after a stop, which may be one for later. */
export const stoppedText = (toggle: Toggle, now: number): string =>
  isOn(toggle, now) ? `${toggle.metadata.name} stays on.${untilText(toggle, now)}` : stateText(toggle, now);

/** Since when it has not been as it was asked for, with a space before it; empty where it is, and within the first minute. */
export const sinceText = (toggle: Toggle, now: number): string => {
  const status = previousStatus(toggle);
  if (!isCurrent(toggle, status) || isExpiring(toggle, status, now)) return "";
  const ready = conditionOf(status.conditions, "Ready");
  const since = ready?.status === "False" ? Date.parse(ready.lastTransitionTime) : Number.NaN;
  const minutes = Math.floor((now - since) / MINUTE_MS);
  if (!(minutes >= 1)) return "";
  return ` Not ${status.phase === "Stopping" ? "off" : "ready"} since ${utc(since)} (${minutes} min).`;
};

/** The last word on a switch that has not come to its end in `minutes`. */
export const overdueText = (toggle: Toggle, now: number, minutes: number): string => {
  const { name } = toggle.metadata;
  const status = previousStatus(toggle);
  const after = `after ${minutes} minutes`;
  const more = `For more, write status ${name}.`;
  if (!isCurrent(toggle, status) || isExpiring(toggle, status, now)) {
    return `${name} is not switched ${isOn(toggle, now) ? "on" : "off"} ${after}: nothing in the cluster has taken it up. ${more}`;
  }
  const { phase, message = "" } = status;
  // What the other phases have to say does not depend on the time.
  if (phase !== "Starting" && phase !== "Stopping") return `${stateText(toggle, now)} ${more}`;
  const missing = phase === "Stopping" ? "off" : "ready";
  return `${name} isn't ${missing} ${after}. ${shorten(message, MAX_QUOTE)} ${more} ${lookText(toggle)}`;
};

/** The reason that whoever switched `toggle` last gave, with a comma before it. */
export const whyText = (toggle: Toggle): string => {
  const { reason = "" } = toggle.spec;
  return lastSwitchOf(toggle)?.explained !== true || reason === "" || DEFAULT_REASON.test(reason)
    ? ""
    : `, because ${shorten(reason, MAX_REASON_SHOWN)}`;
};

/**
 * Who switched `toggle` last, and why, with a space before it; empty where that is not known, or nobody was ever named. Only
 * what chat itself has switched bears the name of a user, who would be blamed for it.
 */
export const whoText = (toggle: Toggle): string => {
  const { requestedBy = "" } = toggle.spec;
  const status = previousStatus(toggle);
  if (status.decidedBy === "Schedule" && isCurrent(toggle, status)) return " Switched by its schedule.";
  const last = lastSwitchOf(toggle);
  if (requestedBy === "" || last === undefined) return "";
  const why = whyText(toggle);
  if (last.kind === "manager") return ` Switched with ${shorten(last.manager, MAX_REASON_SHOWN)}${why}.`;
  return ` Switched ${last.named ? `by ${shorten(requestedBy, MAX_REASON_SHOWN)}` : "in chat"}${why}.`;
};

/** The state in a few words, for a list. */
export const briefState = (toggle: Toggle, now: number): string => {
  const status = previousStatus(toggle);
  if (!isCurrent(toggle, status) || isExpiring(toggle, status, now)) {
    return switchingText(toggle, now);
  }
  return wordsOf(toggle, status.phase ?? "Off");
};
