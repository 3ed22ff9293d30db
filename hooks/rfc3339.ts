// SPDX-License-Identifier: Apache-2.0
// Parses RFC 3339 times such as now and spec.until by arithmetic alone, because a hook has no clock.

/** RFC 3339 date-time, as spec.until may be written; also the pattern of the CRD (RE2). */
export const TIME_PATTERN =
  "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)([.][0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

const PARTS = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2}(?:\.\d+)?)(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/** Days from 1970-01-01 to a date of the Gregorian calendar, counting years from March. */
const daysSinceEpoch = (year: number, month: number, day: number): number => {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719468;
};

/** Seconds since 1970-01-01T00:00:00Z of an RFC 3339 time; undefined where `time` is none. */
export const secondsSinceEpoch = (time: string): number | undefined => {
  const parts = PARTS.exec(time);
  if (parts === null) return undefined;
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1, 7).map(Number);
  const offset = (Number(parts[8] ?? 0) * 60 + Number(parts[9] ?? 0)) * (parts[7] === "-" ? -60 : 60);
  return daysSinceEpoch(year, month, day) * 86400 + hours * 3600 + minutes * 60 + seconds - offset;
};

/** Seconds from `now` to `until`, negative or 0 where it has passed; both RFC 3339. */
export const secondsUntil = (until: string, now: string): number => {
  const [to, from] = [secondsSinceEpoch(until), secondsSinceEpoch(now)];
  if (to === undefined || from === undefined) throw new Error(`not RFC 3339: ${until} or ${now}`);
  return to - from;
};
