// SPDX-License-Identifier: Apache-2.0
// Parses durations (30m, 5min, 1.5h, 1d12h, 1w) and times of day, and finds when a time of day comes next in a time zone.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SHORTEST_TIME = MINUTE;
const LONGEST_TIME = 365 * DAY;

const NUMBER = "(\\d{1,9}(?:[.,]\\d{1,3})?)";
/** The longer ones first, and in seconds. */
const UNITS = [
  ["w|wks?|weeks?", 7 * DAY],
  ["d|days?", DAY],
  ["h|hrs?|hours?", HOUR],
  ["m|mins?|minutes?", MINUTE],
] as const;
/** Each unit at most once, the longer one first. */
const DURATION = new RegExp(`^${UNITS.map(([words]) => `(?:${NUMBER}(?:${words}))?`).join("")}$`, "i");

const UNIT =
  "(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?|mo|months?|y|yrs?|years?)";
/** What somebody may have meant as a duration; a Toggle is hardly called so. */
const MEANT_AS_DURATION = new RegExp(`^[+-]?\\d[\\d.,:]*(?:${UNIT}\\d*[.,]?)*$`, "i");

export type Duration =
  | { readonly state: "seconds"; readonly seconds: number }
  /** A duration, but none that can be used: not of the form, or outside 1m to 365d. */
  | { readonly state: "malformed" | "out-of-range" }
  | { readonly state: "no-duration" };

/** Longer words are no durations; and with some the pattern above would be tried for hours. */
const LONGEST_TIME_WORD = 40;

/** What `word` says as a duration. */
export const durationOf = (word: string): Duration => {
  if (word.length > LONGEST_TIME_WORD) return { state: "no-duration" };
  const parts = DURATION.exec(word);
  if (parts === null || word === "") {
    return { state: MEANT_AS_DURATION.test(word) ? "malformed" : "no-duration" };
  }
  const counts = parts.slice(1).map((part) => Number((part ?? "0").replace(",", ".")));
  const seconds = Math.round(UNITS.reduce((sum, [, unit], at) => sum + unit * (counts[at] ?? 0), 0));
  return seconds < SHORTEST_TIME || seconds > LONGEST_TIME
    ? { state: "out-of-range" }
    : { state: "seconds", seconds };
};

/** `1d12h`, `30m`: as durationOf reads it, but for seconds that fill no minute. */
export const durationText = (seconds: number): string => {
  const minutes = Math.round(seconds / MINUTE);
  const parts = [
    [Math.floor(minutes / (24 * 60)), "d"],
    [Math.floor(minutes / 60) % 24, "h"],
    [minutes % 60, "m"],
  ] as const;
  return parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count}${unit}`])).join("");
};

const TIME_OF_DAY = /^([01]?\d|2[0-3]):([0-5]\d)$/;

/** `7:05` and `18:00` as `07:05` and `18:00`; undefined of what is no time of day. */
export const timeOfDay = (word: string): string | undefined => {
  const [, hours, minutes] = TIME_OF_DAY.exec(word) ?? [];
  return hours === undefined ? undefined : `${hours.padStart(2, "0")}:${minutes}`;
};

/** Whether `zone` is a time zone that this Node.js knows: a name of IANA's, such as `Europe/Berlin`, or `UTC`. */
export const isTimeZone = (zone: string): boolean => {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
};

/** What clocks in `zone` show at `time`, as the milliseconds of the same reading in UTC. */
const clockAt = (time: number, zone: string): number => {
  const parts = new Intl.DateTimeFormat("en", {
    ...{ timeZone: zone, hourCycle: "h23" },
    ...{ year: "numeric", month: "numeric", day: "numeric" },
    ...{ hour: "numeric", minute: "numeric", second: "numeric" },
  }).formatToParts(time);
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = [
    ...["year", "month", "day", "hour", "minute", "second"],
  ].map((type) => Number(parts.find((part) => part.type === type)?.value));
  return Date.UTC(year, month - 1, day, hour, minute, second);
};

/** When clocks in `zone` show `clock`; in an hour that they leave out it is as much later. */
const timeAt = (clock: number, zone: string): number => {
  const offset = (time: number) => clockAt(time, zone) - time;
  // The offset of the day before, and the one that has come since where it was changed.
  const before = clock - offset(clock - DAY * 1000);
  const after = clock - offset(before);
  return [before, after].find((time) => clockAt(time, zone) === clock) ?? Math.max(before, after);
};

/** When clocks in `zone` next show `time` (`18:00`) after `now`. Milliseconds since the epoch. */
export const nextTimeOfDay = (time: string, zone: string, now: number): number => {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  const midnight = Math.floor(clockAt(now, zone) / (DAY * 1000)) * DAY * 1000;
  const today = midnight + (hours * HOUR + minutes * MINUTE) * 1000;
  const next = timeAt(today, zone);
  return next > now ? next : timeAt(today + DAY * 1000, zone);
};
