// SPDX-License-Identifier: Apache-2.0
// Parses an entry of a schedule: a window of the week such as `Mon-Fri 08:00-18:00`, or a cron expression of five fields.
import { CronPattern } from "croner";
import { DAY_SECONDS, dateOfDay } from "../rfc3339.ts";

/** The longest entry, in characters. */
export const MAX_ENTRY = 128;

const DAY = "(Sun|Mon|Tue|Wed|Thu|Fri|Sat)";
const CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]";
const CLOCKS = `${CLOCK}-(${CLOCK}|24:00)`;
const windowPattern = (days: string): string => `(${days} )?${CLOCKS}|${days}`;
const CRON_FIELD = "[0-9A-Za-z*/,-]+";
/** What an entry looks like, for the CRD (RE2); what it means is checked here. */
export const ENTRY_PATTERN = `^(${windowPattern(`${DAY}([-,]${DAY})*`)}|${CRON_FIELD}( ${CRON_FIELD}){4})$`;

const isWindow = new RegExp(`^(${windowPattern(`${DAY}(-${DAY})?(,${DAY}(-${DAY})?)*`)})$`);
/** Five fields without what only some programs know, as L, W, # and ?. */
const ATOM = "([0-9]{1,2}|[A-Za-z]{3}|[*])";
const PART = `${ATOM}(-${ATOM})?(/[0-9]{1,2})?`;
const FIELD = `${PART}(,${PART})*`;
const isCron = new RegExp(`^${FIELD}( ${FIELD}){4}$`);

/** Times of the clock on some days. A day is counted from 1970-01-01, a time in seconds from its midnight. */
export interface Recurrence {
  on(day: number): boolean;
  /** In order, at least one. */
  readonly times: readonly number[];
}

export type Entry =
  /** From `start` to before `end`, which is on the next day where it is at least DAY_SECONDS. */
  | {
      readonly kind: "window";
      readonly on: Recurrence["on"];
      readonly start: number;
      readonly end: number;
    }
  | ({ readonly kind: "cron" } & Recurrence);

/** An entry, or what is wrong with its text, to go behind the text. */
export type ParsedEntry = Entry | { readonly kind: "fault"; readonly fault: string };

const fault = (text: string): ParsedEntry => ({ kind: "fault", fault: text });

/** 0 for Sunday to 6. 1970-01-01 was a Thursday. */
const weekdayOf = (day: number): number => (((day + 4) % 7) + 7) % 7;
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** The weekdays of `Mon-Fri,Sun`; a range may go over the end of the week. */
const weekdaysOf = (text: string): ReadonlySet<number> =>
  new Set(
    text.split(",").flatMap((part) => {
      const [from = "", to = from] = part.split("-");
      const first = WEEKDAYS.indexOf(from);
      const count = (WEEKDAYS.indexOf(to) - first + 7) % 7;
      return Array.from({ length: count + 1 }, (_, index) => (first + index) % 7);
    }),
  );

const secondsOf = (clock: string): number => {
  const [hours = 0, minutes = 0] = clock.split(":").map(Number);
  return hours * 3600 + minutes * 60;
};

const windowOf = (text: string): ParsedEntry => {
  const [first = "", second] = text.split(" ");
  const isTimeFirst = first.includes(":");
  const days = isTimeFirst ? undefined : weekdaysOf(first);
  const [from = "", to = ""] = (isTimeFirst ? first : (second ?? "00:00-24:00")).split("-");
  const [start, end] = [secondsOf(from), secondsOf(to)];
  if (start === end) return fault("has no length: a whole day is 00:00-24:00");
  return {
    kind: "window",
    on: (day) => days === undefined || days.has(weekdayOf(day)),
    start,
    end: end > start ? end : end + DAY_SECONDS,
  };
};

const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether the date alone comes about at all: 31 February does not. */
const hasDate = ({ month, day }: CronPattern): boolean =>
  MONTH_DAYS.some((length, index) => month[index] === 1 && day.slice(0, length).includes(1));

const cronOf = (text: string): ParsedEntry => {
  let pattern: CronPattern;
  try {
    pattern = new CronPattern(text, undefined, { mode: "5-part" });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fault(`is no cron expression: ${why.replace(/^CronPattern: /, "")}`);
  }
  const { hour, minute, month, day, dayOfWeek, starDOM, starDOW } = pattern;
  // Where both are restricted, either will do.
  if (!hasDate(pattern) && (starDOW || !month.includes(1))) return fault("is on a date that never comes");
  const isDay = (date: number, weekday: number): boolean => {
    const [onDate, onWeekday] = [day[date - 1] === 1, (dayOfWeek[weekday] ?? 0) > 0];
    return starDOM || starDOW ? onDate && onWeekday : onDate || onWeekday;
  };
  return {
    kind: "cron",
    on: (at) => {
      const [, monthOf, date] = dateOfDay(at);
      return month[monthOf - 1] === 1 && isDay(date, weekdayOf(at));
    },
    times: hour.flatMap((isHour, h) =>
      isHour === 1 ? minute.flatMap((isMinute, m) => (isMinute === 1 ? [h * 3600 + m * 60] : [])) : [],
    ),
  };
};

/** Reads `text`. The same text gives an entry that behaves the same. */
export const parseEntry = (text: string): ParsedEntry => {
  if (isWindow.test(text)) return windowOf(text);
  if (isCron.test(text)) return cronOf(text);
  return fault("is neither a window, such as Mon-Fri 08:00-18:00, nor a cron expression of five fields");
};
