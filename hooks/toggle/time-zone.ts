// SPDX-License-Identifier: Apache-2.0
// Converts between the clock of an IANA time zone and seconds since the epoch, over gaps and overlaps of daylight saving time.
import { DAY_SECONDS } from "../rfc3339.ts";

/** What the name of a time zone looks like: no offset such as +01:00, which Intl takes, too. Also a pattern of the CRD (RE2). */
export const TIME_ZONE_PATTERN = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$";
const looksRight = new RegExp(TIME_ZONE_PATTERN);

/** A zone. Instants are seconds since the epoch; a wall time is what its clock shows, counted as if it were UTC. */
export interface TimeZone {
  /** The seconds by which the clock is ahead of UTC at `instant`. */
  offsetAt(instant: number): number;
  /**
   * The first instant at which the clock shows `wall` or later. So a time that the clock skips is the moment at which it is put
   * forward, and one that it shows twice is the first of the two. A later wall time is never at an earlier instant.
   */
  instantOf(wall: number): number;
}

/** A formatter takes far longer to make than to use. What a name stands for does not change. */
const formats = new Map<string, Intl.DateTimeFormat>();
const MAX_FORMATS = 64;

const formatOf = (name: string): Intl.DateTimeFormat | undefined => {
  const known = formats.get(name);
  if (known !== undefined) return known;
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    if (formats.size >= MAX_FORMATS) formats.clear();
    formats.set(name, format);
    return format;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
};

/** `GMT`, `GMT+10:30` or, long ago, `GMT+00:53:28`. */
const OFFSET = /GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/;

const offsetIn = (format: Intl.DateTimeFormat, instant: number): number => {
  const [, sign, hours = 0, minutes = 0, seconds = 0] = OFFSET.exec(format.format(instant * 1000)) ?? [];
  const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === "-" ? -offset : offset;
};

/** The first instant after `from`, and up to `to`, at which the offset is another than at `from`. */
const changeBetween = (zone: Pick<TimeZone, "offsetAt">, from: number, to: number): number => {
  const before = zone.offsetAt(from);
  let [early, late] = [from, to];
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2);
    if (zone.offsetAt(middle) === before) early = middle;
    else late = middle;
  }
  return late;
};

/** The zone of `name`; undefined where that is no IANA time zone that the runtime knows. */
export const timeZoneOf = (name: string): TimeZone | undefined => {
  const format = looksRight.test(name) ? formatOf(name) : undefined;
  if (format === undefined) return undefined;
  const offsetAt = (instant: number): number => offsetIn(format, instant);
  return {
    offsetAt,
    instantOf(wall) {
      // No offset is as long as a day, so the instant lies between the two.
      const [from, to] = [wall - DAY_SECONDS, wall + DAY_SECONDS];
      const [before, after] = [offsetAt(from), offsetAt(to)];
      if (before === after) return wall - before;
      const change = changeBetween({ offsetAt }, from, to);
      return wall < change + before ? wall - before : Math.max(change, wall - after);
    },
  };
};
