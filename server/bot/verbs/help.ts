// SPDX-License-Identifier: Apache-2.0
// The command help, which is also the answer to what is no command.
import { namesText } from "../refusal-text.ts";

const COMMANDS = `start [NAME] [TIME]: on; with a time like 30m, 2h or 1d12h it goes off again after it
stop [NAME]: off
status [NAME]: what it is doing
list: what you may switch here
help: this
“on” is start, “off” is stop. Both take a reason at the end: stop web because the disk is full`;

/** `names`: the Toggles that the user may switch in this room. */
export const helpText = (names: readonly string[]): string =>
  names.length === 0 ? COMMANDS : `${COMMANDS}\nYou may switch here: ${namesText(names)}.`;

export const unknownText = (names: readonly string[]): string =>
  `That is not a command that I know.\n${helpText(names)}`;
