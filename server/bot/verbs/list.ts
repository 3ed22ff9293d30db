// SPDX-License-Identifier: Apache-2.0
// The command list: the Toggles that the user may switch in this room.
import type { Toggle } from "../../../hooks/toggle/schema.ts";
import { noChoiceText } from "../refusal-text.ts";
import { briefState } from "../state-text.ts";

/** More lines than these are not read in a chat. */
const MAX_LINES = 100;

/** `visible`, a line each; the one that is meant where a command names none is marked. `now`: ms since the epoch. */
export const listText = (visible: readonly Toggle[], defaultName: string, now: number): string => {
  if (visible.length === 0) return noChoiceText({ state: "none", names: [] });
  const lines = visible.slice(0, MAX_LINES).map((toggle) => {
    const { name } = toggle.metadata;
    return `${name}: ${briefState(toggle, now)}${name === defaultName && visible.length > 1 ? " (default)" : ""}`;
  });
  const rest = visible.length - lines.length;
  return [...lines, ...(rest === 0 ? [] : [`and ${rest} more`])].join("\n");
};
