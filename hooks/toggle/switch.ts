// SPDX-License-Identifier: Apache-2.0
// Decides whether a Toggle is on at a time, and what decides it: the schedule, a command, spec.until or spec.enabled.
import { secondsSinceEpoch, timeOf } from "../rfc3339.ts";
import { lastSwitchOf, switcherOf } from "./last-switch.ts";
import { resolveSchedule } from "./resolved-schedule.ts";
import type { Schedule } from "./schedule.ts";
import type { DecidedBy, NextChange, Switched } from "./schedule-schema.ts";
import type { Toggle, ToggleStatus } from "./schema.ts";

/** What the spec, the past and the clock come to. */
export interface Switch {
  /** Whether anything says what the count shall be. If not, it stays as it is. */
  readonly switched: boolean;
  /** Without a switch: whether a Deployment that is made of the template is made with replicas, which it is. */
  readonly on: boolean;
  readonly decidedBy?: DecidedBy;
  readonly nextChange?: NextChange;
  /** Seconds until that, where it is known. */
  readonly secondsLeft?: number;
  /** The last switch by hand, for the status of a Toggle with a schedule. */
  readonly lastSwitch?: Switched;
  /** Why the schedule can't be used; nothing is to be switched then. */
  readonly scheduleFault?: string;
  readonly hasSchedule: boolean;
}

/** A decision, with the time of its end in seconds since the epoch. */
interface Decided {
  readonly on: boolean;
  readonly by: DecidedBy;
  readonly next?: { readonly at: number; readonly on: boolean } | undefined;
}

/** spec.until in seconds since the epoch. */
const untilOf = ({ until }: Toggle["spec"]): number | undefined =>
  until === undefined ? undefined : secondsSinceEpoch(until);

const isAfter = (edge: number | undefined, time: number): boolean => edge !== undefined && edge > time;

/** The next edge after `time`, and what the schedule says then. */
const edgeAfter = (schedule: Schedule, time: number): Decided["next"] => {
  const at = schedule.nextEdge(time);
  return at === undefined ? undefined : { at, on: schedule.isOn(at) };
};

/** What the schedule alone says; a time of spec.until that is still to come ends that. */
const scheduled = (schedule: Schedule, until: number | undefined, now: number): Decided => {
  const on = schedule.isOn(now);
  const at = schedule.nextChange(now);
  const change = at === undefined ? undefined : { at, on: !on };
  const isUntilFirst = until !== undefined && until > now && !(change !== undefined && change.at <= until);
  return { on, by: "Schedule", next: isUntilFirst ? { at: until, on: false } : change };
};

interface Hand {
  readonly enabled: boolean | undefined;
  /** Seconds since the epoch. */
  readonly until: number | undefined;
  readonly switchedAt: number | undefined;
  readonly by: Switched["by"];
}

/**
 * What was set by hand counts until the first edge after it was set. With a time of spec.until it counts until that, whatever
 * edges there are; from then on it is off, until the first edge after that. A time that an edge had followed when somebody
 * switched is used up.
 */
const overridden = (schedule: Schedule, hand: Hand, now: number): Decided | undefined => {
  const { enabled, until, switchedAt, by } = hand;
  const edge = schedule.lastEdge(now);
  if (until !== undefined && until > now) {
    if (enabled === undefined) return undefined;
    const next = enabled ? { at: until, on: false } : edgeAfter(schedule, until);
    return { on: enabled, by, next };
  }
  const isUsedUp =
    until !== undefined &&
    switchedAt !== undefined &&
    until <= switchedAt &&
    isAfter(schedule.lastEdge(switchedAt), until);
  if (until !== undefined && !isUsedUp) {
    return isAfter(edge, until) ? undefined : { on: false, by: "Until", next: edgeAfter(schedule, now) };
  }
  if (enabled === undefined || switchedAt === undefined || isAfter(edge, switchedAt)) return undefined;
  return { on: enabled, by, next: edgeAfter(schedule, now) };
};

const switchOf = (decided: Decided, switched: boolean, now: number): Omit<Switch, "hasSchedule"> => {
  const { on, by, next } = decided;
  return {
    switched,
    on,
    ...(switched && { decidedBy: by }),
    ...(next !== undefined && {
      nextChange: { time: timeOf(Math.ceil(next.at)), to: next.on ? "On" : "Off" },
      secondsLeft: next.at - now,
    }),
  };
};

/** Without a schedule spec.until and spec.enabled decide. */
const plain = (parent: Toggle, now: number): Omit<Switch, "hasSchedule"> => {
  const { enabled } = parent.spec;
  const until = enabled === false ? undefined : untilOf(parent.spec);
  if (until !== undefined && until <= now) return switchOf({ on: false, by: "Until" }, true, now);
  const next = until === undefined ? undefined : { at: until, on: false };
  return switchOf({ on: enabled !== false, by: switcherOf(parent), next }, enabled !== undefined, now);
};

/** What decides by the schedule that the spec has, and by what was set by hand. */
const decideByClock = (
  { spec }: Toggle,
  schedule: Schedule,
  last: Switched | undefined,
  now: number,
): Decided => {
  const hand: Hand = {
    enabled: spec.enabled,
    until: untilOf(spec),
    switchedAt: last === undefined ? undefined : secondsSinceEpoch(last.time),
    by: last?.by ?? "Spec",
  };
  return overridden(schedule, hand, now) ?? scheduled(schedule, hand.until, now);
};

/** What decides about `parent`, whose last status is `before`, at the time `time` (RFC 3339). */
export const decideSwitch = (parent: Toggle, before: ToggleStatus, time: string): Switch => {
  const { schedule: spec } = parent.spec;
  const now = secondsSinceEpoch(time);
  if (now === undefined) throw new Error(`not RFC 3339: ${time}`);
  if (spec === undefined) return { ...plain(parent, now), hasSchedule: false };
  const last = lastSwitchOf(parent, before, now);
  const kept = { hasSchedule: true, ...(last !== undefined && { lastSwitch: last }) };
  const { schedule, fault } = resolveSchedule(spec);
  return schedule === undefined
    ? { ...plain(parent, now), ...kept, scheduleFault: fault }
    : { ...switchOf(decideByClock(parent, schedule, last, now), true, now), ...kept };
};
