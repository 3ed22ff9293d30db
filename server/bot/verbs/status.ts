// SPDX-License-Identifier: Apache-2.0
// The command status: what one Toggle does, or all that the user may see.
import type { Toggle } from "../../../hooks/toggle/schema.ts";
import { noChoiceText } from "../refusal-text.ts";
import { sinceText, stateText, whoText } from "../state-text.ts";

/** More lines than these are not read in a chat. */
const MAX_LINES = 30;

/** One Toggle. `now`: ms since the epoch. */
export const statusText = (toggle: Toggle, now: number): string =>
  `${stateText(toggle, now)}${sinceText(toggle, now)}${whoText(toggle)}`;

/** All of `visible`, a line each. */
export const statusOfAllText = (visible: readonly Toggle[], now: number): string => {
  if (visible.length === 0) return noChoiceText({ state: "none", names: [] });
  const lines = visible.slice(0, MAX_LINES).map((toggle) => statusText(toggle, now));
  const rest = visible.length - lines.length;
  return [...lines, ...(rest === 0 ? [] : [`and ${rest} more; name one: status NAME`])].join("\n");
};
