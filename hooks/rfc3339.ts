// SPDX-License-Identifier: Apache-2.0
// Parses RFC 3339 times such as now and spec.until by arithmetic alone, because a hook has no clock.

/** RFC 3339 date-time, as spec.until may be written; also the pattern of the CRD (RE2). */
export const TIME_PATTERN =
  "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)([.][0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

const PARTS = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2}(?:\.\d+)?)(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/** Seconds of a day of the calendar. */
export const DAY_SECONDS = 86_400;

/** Days from 1970-01-01 to a date of the Gregorian calendar, counting years from March. */
const daysSinceEpoch = (year: number, month: number, day: number): number => {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719468;
};

/** Year, month (from 1) and day of the month of the day `days` after 1970-01-01, in the Gregorian calendar. */
export const dateOfDay = (days: number): readonly [year: number, month: number, day: number] => {
  const era = Math.floor((days + 719468) / 146097);
  const dayOfEra = days + 719468 - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  return [
    yearOfEra + era * 400 + (month > 2 ? 0 : 1),
    month,
    dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1,
  ];
};

const digits = (value: number, width = 2): string => String(value).padStart(width, "0");

/** Seconds since 1970-01-01T00:00:00Z as RFC 3339, in UTC and whole seconds. */
export const timeOf = (seconds: number): string => {
  const day = Math.floor(seconds / DAY_SECONDS);
  const left = Math.floor(seconds - day * DAY_SECONDS);
  const [year, month, date] = dateOfDay(day);
  const clock = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60].map((part) => digits(part));
  return `${digits(year, 4)}-${digits(month)}-${digits(date)}T${clock.join(":")}Z`;
};

/** Seconds since 1970-01-01T00:00:00Z of an RFC 3339 time; undefined where `time` is none. */
export const secondsSinceEpoch = (time: string): number | undefined => {
  const parts = PARTS.exec(time);
  if (parts === null) return undefined;
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1, 7).map(Number);
  const offset = (Number(parts[8] ?? 0) * 60 + Number(parts[9] ?? 0)) * (parts[7] === "-" ? -60 : 60);
  return daysSinceEpoch(year, month, day) * DAY_SECONDS + hours * 3600 + minutes * 60 + seconds - offset;
};

/** Seconds from `now` to `until`, negative or 0 where it has passed; both RFC 3339. */
export const secondsUntil = (until: string, now: string): number => {
  const [to, from] = [secondsSinceEpoch(until), secondsSinceEpoch(now)];
  if (to === undefined || from === undefined) throw new Error(`not RFC 3339: ${until} or ${now}`);
  return to - from;
};
