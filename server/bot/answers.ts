// SPDX-License-Identifier: Apache-2.0
// Writes the texts of answers: help, list and status, and why a command failed and what to do, without internal details.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { shorten } from "../display-text.ts";
import { verbWords } from "./command.ts";
import { meantBy, nearest } from "./nearest.ts";
import { briefState, sinceText, stateText, whoText } from "./state-text.ts";
import type { Choice, Refusal } from "./toggle-choice.ts";

/** Names beyond these are counted. */
const MAX_NAMES = 20;

/** Names with commas between them; more than a few are counted. */
export const namesText = (names: readonly string[]): string =>
  names.length > MAX_NAMES
    ? `${names.slice(0, MAX_NAMES).join(", ")} and ${names.length - MAX_NAMES} more`
    : names.join(", ");

/** The answer where no Toggle was chosen. A Toggle that this user may not use here reads like one that is not there. */
export const noChoiceText = (choice: Exclude<Choice, { kind: "one" }>): string => {
  if (choice.kind === "which") return `Which one? ${namesText(choice.names)}. Just write its name.`;
  const here =
    choice.names.length === 0
      ? "There is no Toggle that you may switch in this room."
      : `You may switch here: ${namesText(choice.names)}.`;
  if (choice.name === undefined) return here;
  const meant = nearest(choice.name, choice.names);
  const asked = meant === undefined ? "." : `: did you mean ${meant}?`;
  return `There is no Toggle “${shorten(choice.name, 63)}” here${asked} ${here}`;
};

/** The answer where the cluster did not do what it was asked for `name`. */
export const failureText = (why: Refusal, name?: string): string => {
  const what = name ?? "this";
  switch (why) {
    case "unavailable":
      return "I can't reach the cluster right now, and I won't try again by myself. Send it again in a while; status says what became of it.";
    case "forbidden":
      return `The cluster doesn't let me change or read ${what}. Sending it again won't help; ask whoever runs this bot.`;
    case "no-toggles":
      return "The cluster knows no Toggles. Sending it again won't help; ask whoever runs this bot.";
    case "refused":
      return `The cluster refused this change of ${what}. Sending it again won't help; ask whoever runs this bot.`;
    case "changed":
      return `${name ?? "It"} is being changed by somebody else right now. Send it again.`;
  }
};

const COMMANDS = `start [NAME] [TIME]: on; with a time like 30m, 2h, 1d12h or until 18:00 it goes off again after it
stop [NAME] [TIME]: off; with a time like in 2h or at 18:00 not before it
restart [NAME]: new pods in place of all
status [NAME]: what it is doing
Several at once: stop web api; stop all asks before it does
list: what you may switch here
help: this
“on” is start, “off” is stop. Both take a reason at the end: stop web because the disk is full`;

/** `names`: the Toggles that the user may switch in this room. */
export const helpText = (names: readonly string[]): string =>
  names.length === 0 ? COMMANDS : `${COMMANDS}\nYou may switch here: ${namesText(names)}.`;

/** `said`: the line that is no command. `brief`: in one line. */
export const unknownText = (
  { said = "", brief = false }: { readonly said?: string; readonly brief?: boolean },
  names: readonly string[],
): string => {
  const meant = meantBy(said, { verbs: verbWords(), names });
  const asked = `That is not a command that I know${meant === undefined ? "." : `: did you mean ${meant}?`}`;
  return brief ? `${asked} For all of them write help.` : `${asked}\n${helpText(names)}`;
};

/** More lines than these are not read in a chat. */
const MAX_LISTED = 100;

/** `visible`, a line each; the one that is meant where a command names none is marked. `now`: ms since the epoch. */
export const listText = (visible: readonly Toggle[], defaultName: string, now: number): string => {
  if (visible.length === 0) return noChoiceText({ kind: "none", names: [] });
  const lines = visible.slice(0, MAX_LISTED).map((toggle) => {
    const { name } = toggle.metadata;
    return `${name}: ${briefState(toggle, now)}${name === defaultName && visible.length > 1 ? " (default)" : ""}`;
  });
  const rest = visible.length - lines.length;
  return [...lines, ...(rest === 0 ? [] : [`and ${rest} more`])].join("\n");
};

/** More lines than these are not read in a chat. */
const MAX_STATUSES = 30;

/** One Toggle. `now`: ms since the epoch. */
export const statusText = (toggle: Toggle, now: number): string =>
  `${stateText(toggle, now)}${sinceText(toggle, now)}${whoText(toggle)}`;

/** All of `visible`, a line each. */
export const statusOfAllText = (visible: readonly Toggle[], now: number): string => {
  if (visible.length === 0) return noChoiceText({ kind: "none", names: [] });
  const lines = visible.slice(0, MAX_STATUSES).map((toggle) => statusText(toggle, now));
  const rest = visible.length - lines.length;
  return [...lines, ...(rest === 0 ? [] : [`and ${rest} more; name one: status NAME`])].join("\n");
};
