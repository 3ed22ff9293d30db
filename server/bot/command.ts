// SPDX-License-Identifier: Apache-2.0
// Parses a message into a command with its names, its time and its reason. A sentence that only begins like a command is none.
import { type Static, Type } from "@sinclair/typebox";
import { isObjectName } from "../../hooks/formats.ts";
import { oneLine } from "../display-text.ts";
import { readSwitchWords } from "./switch-words.ts";

/** The longest reason, as spec.reason of a Toggle has it. */
const MAX_REASON = 1024;

const toggle = Type.Optional(Type.String());
const reason = Type.Optional(Type.String());

/** How long it shall be on, or until when: the next time that clocks in TIME_ZONE show `time`, such as `18:00`. */
const limits = {
  seconds: Type.Optional(Type.Integer({ minimum: 1 })),
  time: Type.Optional(Type.String({ pattern: "^[0-2][0-9]:[0-5][0-9]$" })),
};

/** Where more than one Toggle is meant: their names, or all that the user may switch. There is no `toggle` then. */
const several = {
  toggles: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  all: Type.Optional(Type.Boolean()),
};

/** A command; also what the journal keeps of it. A stop with a time is for then. */
export const Command = Type.Union([
  Type.Object({ verb: Type.Literal("start"), toggle, ...several, ...limits, reason }),
  Type.Object({ verb: Type.Literal("stop"), toggle, ...several, ...limits, reason }),
  Type.Object({ verb: Type.Literal("restart"), toggle, ...several }),
  /** It stays on for so much longer than `from`, its time as the spec has it: a reaction to news of that, and no line. */
  Type.Object({
    ...{ verb: Type.Literal("extend"), toggle, ...several },
    ...{ from: Type.String(), seconds: Type.Integer({ minimum: 1 }) },
  }),
  Type.Object({ verb: Type.Literal("status"), toggle, toggles: several.toggles }),
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
export type SwitchCommand = Extract<Command, { verb: "start" | "stop" | "restart" | "extend" }>;

const SWITCHES: ReadonlySet<string> = new Set<SwitchCommand["verb"]>(["start", "stop", "restart", "extend"]);

export const isSwitch = (command: Command): command is SwitchCommand => SWITCHES.has(command.verb);

/** The words that a command begins with. */
export const verbWords = (): string[] => Object.keys(VERBS);

/** The names of Toggles in a command. */
export const namesIn = (command: Command): readonly string[] => {
  if (!("toggle" in command) && !("toggles" in command)) return [];
  return command.toggles ?? (command.toggle === undefined ? [] : [command.toggle]);
};

/** The verb and the names of a command, as it is cited: `stop web`. */
export const citedCommand = (command: Command): string => {
  const all = "all" in command && command.all === true ? ["all"] : namesIn(command);
  return [command.verb, ...all].join(" ");
};

const VERBS: Readonly<Record<string, "start" | "stop" | "restart" | "status" | "list" | "help">> = {
  start: "start",
  on: "start",
  stop: "stop",
  off: "stop",
  restart: "restart",
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

/** More than these are hardly meant. */
const MOST_NAMES = 20;
const ALL = "all";

type Names = { toggle?: string; toggles?: string[]; all?: true };

/** `web, api and db` as the names that it is; undefined where something can't be one. */
const namesOf = (words: readonly string[]): Names | undefined => {
  const parts = words
    .flatMap((word) => word.split(","))
    // Phones write the first letter large; names of objects are small.
    .map((word) => word.toLowerCase())
    .filter((word) => word !== "");
  const names = [...new Set(parts.filter((word, at) => at === 0 || (word !== "and" && word !== "&")))];
  const [name] = names;
  if (names.length > MOST_NAMES || !names.every(isObjectName)) return undefined;
  if (name === undefined) return {};
  if (names.length > 1) return { toggles: names };
  return name === ALL ? { all: true } : { toggle: name };
};

const switchCommand = (
  verb: "start" | "stop",
  words: readonly string[],
  reason: string | undefined,
): Command => {
  const { names, times, refusal } = readSwitchWords(verb, words);
  const named = namesOf(names);
  if (times.length > 1 || named === undefined) return UNKNOWN;
  if (refusal !== undefined) return refused(refusal);
  if (reason === "") return refused("Write why after “because”, or leave the word out.");
  if (reason !== undefined && reason.length > MAX_REASON) {
    return refused(`The reason has ${reason.length} characters; at most ${MAX_REASON} can be kept.`);
  }
  return { verb, ...named, ...times[0], ...(reason !== undefined && { reason }) };
};

const restartCommand = (words: readonly string[], reason: string | undefined): Command => {
  const named = namesOf(words);
  if (named === undefined) return UNKNOWN;
  if (reason !== undefined) {
    return refused("restart takes no reason: the Toggle keeps that of its last switch.");
  }
  return { verb: "restart", ...named };
};

/** People end a line with a full stop or an exclamation mark. */
const ENDINGS = /[.!]+$/;

/** The command that `text` is. A message of several lines is none. */
export const commandOf = (text: string): Command => {
  const line = text.trim();
  if (/[\n\r\u2028\u2029]/.test(line)) return UNKNOWN;
  const { head, reason } = splitReason(line);
  const [first = "", ...words] = head
    .replace(ENDINGS, "")
    .split(/\s+/)
    .filter((word) => word !== "");
  const verb = Object.hasOwn(VERBS, first.toLowerCase()) ? VERBS[first.toLowerCase()] : undefined;
  if (verb === undefined) return UNKNOWN;
  if (verb === "start" || verb === "stop") return switchCommand(verb, words, reason);
  if (verb === "restart") return restartCommand(words, reason);
  if (reason !== undefined) return UNKNOWN;
  if (verb === "status") {
    const { all: _, ...named } = namesOf(words) ?? { unknown: true };
    return "unknown" in named ? UNKNOWN : { verb, ...named };
  }
  return words.length === 0 ? { verb } : UNKNOWN;
};
