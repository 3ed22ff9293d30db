// SPDX-License-Identifier: Apache-2.0
// What the chat is told when a command can't be done: what to do, and nothing from inside.
import type { ToggleFailure, Toggles } from "../kubernetes/toggles.ts";
import { shorten } from "../shown-text.ts";
import type { Choice } from "./which-toggle.ts";

/** Names beyond these are counted. */
const MAX_NAMES = 20;

export const namesText = (names: readonly string[]): string =>
  names.length > MAX_NAMES
    ? `${names.slice(0, MAX_NAMES).join(", ")} and ${names.length - MAX_NAMES} more`
    : names.join(", ");

/** The answer where no Toggle was chosen. A Toggle that this user may not use here reads like one that is not there. */
export const noChoiceText = (choice: Exclude<Choice, { state: "one" }>): string => {
  if (choice.state === "which") return `Which one? ${namesText(choice.names)}`;
  const here =
    choice.names.length === 0
      ? "There is none that you may switch in this room."
      : `You may switch here: ${namesText(choice.names)}.`;
  return choice.name === undefined ? here : `There is no Toggle ${shorten(choice.name, 63)} here. ${here}`;
};

/** What keeps every command from being done. `no-toggles`: the cluster has no Toggles at all, their CRD is gone. */
export type Refusal = Exclude<ToggleFailure, "not-found"> | "no-toggles";

/** Why the Toggles are not seen, while their watch is down. */
export const watchRefusal = (toggles: Pick<Toggles, "state">): Refusal => {
  const { why = "unavailable" } = toggles.state();
  return why === "not-found" ? "no-toggles" : why;
};

/** The answer where the cluster did not do what it was asked for `name`. */
export const failureText = (why: Refusal, name?: string): string => {
  const what = name ?? "this";
  switch (why) {
    case "unavailable":
      return "I can't reach the cluster right now, and I won't try again by myself. Send it again in a while; status says what became of it.";
    case "forbidden":
      return `The cluster doesn't let me change or read ${what}. Sending it again won't help before an administrator has granted me my role.`;
    case "no-toggles":
      return "The cluster knows no Toggles. Sending it again won't help before an administrator has installed them again.";
    case "refused":
      return `The cluster refused this change of ${what}. Whoever runs this bot finds more in its log.`;
    case "changed":
      return `${name ?? "It"} is being changed by somebody else right now. Send it again.`;
  }
};
