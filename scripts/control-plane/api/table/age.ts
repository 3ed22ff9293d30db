// SPDX-License-Identifier: Apache-2.0
// Formats a time as kubectl's AGE column does.

/** A duration in milliseconds as kubectl prints it: `5s`, `3m20s`, `4h`, `2d5h`, `3y40d`. */
export const humanDuration = (milliseconds: number): string => {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return withRest(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return withRest(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return withRest(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 ? withRest(years, "y", days % 365, "d") : `${years}y`;
};

const withRest = (count: number, unit: string, rest: number, restUnit: string): string =>
  rest === 0 ? `${count}${unit}` : `${count}${unit}${rest}${restUnit}`;

/** The time since an RFC 3339 time; `<unknown>` without one. */
export const ageOf = (time: string | null | undefined, now: Date): string => {
  if (!time) return "<unknown>";
  const then = new Date(time).getTime();
  return Number.isNaN(then) ? "<unknown>" : humanDuration(now.getTime() - then);
};
