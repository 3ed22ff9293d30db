// SPDX-License-Identifier: Apache-2.0
// Finds the last and the next instant at which times of a zone's clock come about, and the windows around an instant.
import { DAY_SECONDS } from "../rfc3339.ts";
import type { Entry, Recurrence } from "./schedule-entry.ts";
import type { TimeZone } from "./time-zone.ts";

/** 29 February is at most eight years from the one before (2096, 2104). */
const MAX_DAYS = 8 * 366;

const dayOf = (wall: number): number => Math.floor(wall / DAY_SECONDS);

/** The last instant up to `instant`; undefined where there is none in eight years. */
export const lastOf = (zone: TimeZone, { on, times }: Recurrence, instant: number): number | undefined => {
  // The clock has shown no later time than this: it may have been put back since yesterday.
  const highest = instant + Math.max(zone.offsetAt(instant), zone.offsetAt(instant - DAY_SECONDS));
  const from = dayOf(highest);
  for (let day = from; day > from - MAX_DAYS; day -= 1) {
    if (!on(day)) continue;
    for (const time of times.toReversed()) {
      const wall = day * DAY_SECONDS + time;
      if (wall > highest) continue;
      const at = zone.instantOf(wall);
      if (at <= instant) return at;
    }
  }
  return undefined;
};

/** The first instant after `instant`; undefined where there is none in eight years. */
export const nextOf = (zone: TimeZone, { on, times }: Recurrence, instant: number): number | undefined => {
  const lowest = instant + zone.offsetAt(instant);
  const from = dayOf(lowest);
  for (let day = from; day < from + MAX_DAYS; day += 1) {
    if (!on(day)) continue;
    for (const time of times) {
      const wall = day * DAY_SECONDS + time;
      if (wall < lowest) continue;
      const at = zone.instantOf(wall);
      if (at > instant) return at;
    }
  }
  return undefined;
};

/** From `start` to before `end`, in instants. */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

/** The windows of `entry` that begin within `days` of `instant`. One that a change of the clock leaves no length is none. */
export const windowsAround = (
  zone: TimeZone,
  entry: Extract<Entry, { kind: "window" }>,
  instant: number,
  days: number,
): Interval[] => {
  const today = dayOf(instant + zone.offsetAt(instant));
  return Array.from({ length: 2 * days + 1 }, (_, index) => today - days + index)
    .filter((day) => entry.on(day))
    .map((day) => day * DAY_SECONDS)
    .map((midnight) => ({
      start: zone.instantOf(midnight + entry.start),
      end: zone.instantOf(midnight + entry.end),
    }))
    .filter(({ start, end }) => start < end);
};

/** The same instants in as few intervals as possible, in order. */
export const united = (intervals: readonly Interval[]): Interval[] => {
  const merged: Interval[] = [];
  for (const next of intervals.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last === undefined || next.start > last.end) merged.push(next);
    else merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, next.end) };
  }
  return merged;
};
