// SPDX-License-Identifier: Apache-2.0
// Durations as they are written in chat: 30m, 2h, 1d12h.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SHORTEST = MINUTE;
const LONGEST = 365 * DAY;

/** Each unit at most once, the longer one first. */
const DURATION = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?$/i;

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
const MOST_CHARACTERS = 40;

/** What `word` says as a duration. */
export const durationOf = (word: string): Duration => {
  if (word.length > MOST_CHARACTERS) return { state: "no-duration" };
  const parts = DURATION.exec(word);
  if (parts === null || word === "") {
    return { state: MEANT_AS_DURATION.test(word) ? "malformed" : "no-duration" };
  }
  const [days = 0, hours = 0, minutes = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  const seconds = days * DAY + hours * HOUR + minutes * MINUTE;
  return seconds < SHORTEST || seconds > LONGEST ? { state: "out-of-range" } : { state: "seconds", seconds };
};
