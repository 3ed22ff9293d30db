// SPDX-License-Identifier: Apache-2.0
// Reads the words behind start and stop: names of Toggles, and a duration or a time of day.
import { shorten } from "../display-text.ts";
import { durationOf, timeOfDay } from "./duration.ts";

/** For how long, or until when: the next time that clocks in TIME_ZONE show `time`, such as `18:00`. */
type Time = { readonly seconds?: number; readonly time?: string };

type SwitchWords = {
  readonly names: readonly string[];
  readonly times: readonly Time[];
  /** What is to be answered instead. */
  readonly refusal?: string;
};

type SwitchVerb = "start" | "stop";

/** Words before a time. A stop without one of them takes effect at once, and no time. */
const PREPOSITIONS: Readonly<Record<SwitchVerb, ReadonlySet<string>>> = {
  start: new Set(["for", "until"]),
  stop: new Set(["in", "at"]),
};

type Term = { readonly name: string } | Time | { readonly refusal: string };

const refusal = (text: string): Term => ({ refusal: text });

/** What `word` says as a time; undefined where it does not look like one. */
const timeIn = (word: string): Term | undefined => {
  const cited = `“${shorten(word, 40)}”`;
  const duration = durationOf(word);
  const time = timeOfDay(word);
  if (time !== undefined) return { time };
  switch (duration.state) {
    case "seconds":
      return { seconds: duration.seconds };
    case "out-of-range":
      return refusal(`${cited} is not between 1m and 365d.`);
    case "malformed":
      return refusal(`${cited} is not a time that I understand. Write it like 30m, 2h or 1d12h.`);
    case "no-duration":
      return undefined;
  }
};

const STOP_TAKES_NONE =
  "stop takes no time: it stays off until somebody starts it. For later write stop in 2h, or stop at 18:00.";

/** A word that has no preposition before it. */
const bareTerm = (verb: SwitchVerb, word: string): Term => {
  const found = timeIn(word);
  if (found === undefined) return { name: word };
  if (verb === "stop") return refusal(STOP_TAKES_NONE);
  return "time" in found ? refusal(`For that time of day write until ${found.time}.`) : found;
};

/** A word behind `preposition`; undefined where it is no time, so that both are names. */
const termBehind = (preposition: string, word: string): Term | undefined => {
  const found = timeIn(word);
  return found === undefined && preposition === "until"
    ? refusal(`“${shorten(word, 40)}” is not a time of day. Write it like 18:00.`)
    : found;
};

export const readSwitchWords = (verb: SwitchVerb, words: readonly string[]): SwitchWords => {
  const names: string[] = [];
  const times: Time[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const [word = "", next] = words.slice(at);
    const preposition = word.toLowerCase();
    const isBefore = next !== undefined && PREPOSITIONS[verb].has(preposition);
    const behind = isBefore ? termBehind(preposition, next) : undefined;
    if (behind !== undefined) at += 1;
    const term = behind ?? bareTerm(verb, word);
    if ("refusal" in term) return { names, times, refusal: term.refusal };
    if ("name" in term) names.push(term.name);
    else times.push(term);
  }
  return { names, times };
};
