// SPDX-License-Identifier: Apache-2.0
// Parses a message into a command with its duration (30m, 2h, 1d12h). A sentence that only begins like a command is none.
import { type Static, Type } from "@sinclair/typebox";
import { isObjectName } from "../../hooks/formats.ts";
import { oneLine, shorten } from "../display-text.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SHORTEST_TIME = MINUTE;
const LONGEST_TIME = 365 * DAY;

/** Each unit at most once, the longer one first. */
const DURATION = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?$/i;

const UNIT =
  "(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?|mo|months?|y|yrs?|years?)";
/** What somebody may have meant as a duration; a Toggle is hardly called so. */
const MEANT_AS_DURATION = new RegExp(`^[+-]?\\d[\\d.,:]*(?:${UNIT}\\d*[.,]?)*$`, "i");

type Duration =
  | { readonly state: "seconds"; readonly seconds: number }
  /** A duration, but none that can be used: not of the form, or outside 1m to 365d. */
  | { readonly state: "malformed" | "out-of-range" }
  | { readonly state: "no-duration" };

/** Longer words are no durations; and with some the pattern above would be tried for hours. */
const LONGEST_TIME_WORD = 40;

/** What `word` says as a duration. */
const durationOf = (word: string): Duration => {
  if (word.length > LONGEST_TIME_WORD) return { state: "no-duration" };
  const parts = DURATION.exec(word);
  if (parts === null || word === "") {
    return { state: MEANT_AS_DURATION.test(word) ? "malformed" : "no-duration" };
  }
  const [days = 0, hours = 0, minutes = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  const seconds = days * DAY + hours * HOUR + minutes * MINUTE;
  return seconds < SHORTEST_TIME || seconds > LONGEST_TIME
    ? { state: "out-of-range" }
    : { state: "seconds", seconds };
};

/** The longest reason, as spec.reason of a Toggle has it. */
const MAX_REASON = 1024;

const toggle = Type.Optional(Type.String());
const reason = Type.Optional(Type.String());

/** A command; also what the journal keeps of it. `seconds` is how long it shall be on. */
export const Command = Type.Union([
  Type.Object({
    verb: Type.Literal("start"),
    toggle,
    seconds: Type.Optional(Type.Integer({ minimum: 1 })),
    reason,
  }),
  Type.Object({ verb: Type.Literal("stop"), toggle, reason }),
  Type.Object({ verb: Type.Literal("status"), toggle }),
  Type.Object({ verb: Type.Literal("list") }),
  Type.Object({ verb: Type.Literal("help") }),
  /** No command; `said` is its line, shortened, for the answer. `brief`: that is one line, otherwise the help as well. */
  Type.Object({
    verb: Type.Literal("unknown"),
    said: Type.Optional(Type.String()),
    brief: Type.Optional(Type.Boolean()),
  }),
  /** A command that can't be obeyed as it is; `text` says why and what to write. */
  Type.Object({ verb: Type.Literal("refused"), text: Type.String() }),
]);
export type Command = Static<typeof Command>;
export type Verb = Command["verb"];
export type SwitchCommand = Extract<Command, { verb: "start" | "stop" }>;

/** The words that a command begins with. */
export const verbWords = (): string[] => Object.keys(VERBS);

const VERBS: Readonly<Record<string, "start" | "stop" | "status" | "list" | "help">> = {
  start: "start",
  on: "start",
  stop: "stop",
  off: "stop",
  status: "status",
  list: "list",
  help: "help",
};

const UNKNOWN: Command = { verb: "unknown" };
const refused = (text: string): Command => ({ verb: "refused", text });

const BECAUSE = /^(.*?)\sbecause(?:\s(.*))?$/i;

/** The words before `because`, and the text after it. */
const splitReason = (line: string): { head: string; reason?: string } => {
  const parts = BECAUSE.exec(line);
  return parts === null ? { head: line } : { head: parts[1] ?? "", reason: oneLine(parts[2] ?? "") };
};

const NO_NAME: { toggle?: string } = {};

/** At most one name among `words`; undefined where there is more, or something that can't be one. */
const nameOf = (words: readonly string[]): { toggle?: string } | undefined => {
  const [word, ...rest] = words;
  if (word === undefined) return NO_NAME;
  // Phones write the first letter large; names of objects are small.
  const name = word.toLowerCase();
  return rest.length === 0 && isObjectName(name) ? { toggle: name } : undefined;
};

const switchCommand = (
  verb: "start" | "stop",
  words: readonly string[],
  reason: string | undefined,
): Command => {
  const read = words.map((word) => ({ word, duration: durationOf(word) }));
  const times = read.filter(({ duration }) => duration.state !== "no-duration");
  const name = nameOf(
    read.filter(({ duration }) => duration.state === "no-duration").map(({ word }) => word),
  );
  if (times.length > 1 || name === undefined) return UNKNOWN;
  const [time] = times;
  if (time !== undefined && verb === "stop") {
    return refused("stop takes no time: it stays off until somebody starts it.");
  }
  if (time?.duration.state === "malformed") {
    return refused(
      `“${shorten(time.word, 40)}” is not a time that I understand. Write it like 30m, 2h or 1d12h.`,
    );
  }
  if (time?.duration.state === "out-of-range") {
    return refused(`“${shorten(time.word, 40)}” is not between 1m and 365d.`);
  }
  if (reason === "") return refused("Write why after “because”, or leave the word out.");
  if (reason !== undefined && reason.length > MAX_REASON) {
    return refused(`The reason has ${reason.length} characters; at most ${MAX_REASON} can be kept.`);
  }
  const why = reason === undefined ? {} : { reason };
  if (verb === "stop") return { verb, ...name, ...why };
  const seconds = time?.duration.state === "seconds" ? { seconds: time.duration.seconds } : {};
  return { verb, ...name, ...seconds, ...why };
};

/** The command that `text` is. A message of several lines is none. */
export const commandOf = (text: string): Command => {
  const line = text.trim();
  if (/[\n\r\u2028\u2029]/.test(line)) return UNKNOWN;
  const { head, reason } = splitReason(line);
  const [first = "", ...words] = head.split(/\s+/).filter((word) => word !== "");
  const verb = Object.hasOwn(VERBS, first.toLowerCase()) ? VERBS[first.toLowerCase()] : undefined;
  if (verb === undefined) return UNKNOWN;
  if (verb === "start" || verb === "stop") return switchCommand(verb, words, reason);
  if (reason !== undefined) return UNKNOWN;
  if (verb === "status") {
    const name = nameOf(words);
    return name === undefined ? UNKNOWN : { verb, ...name };
  }
  return words.length === 0 ? { verb } : UNKNOWN;
};
