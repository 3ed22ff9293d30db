// SPDX-License-Identifier: Apache-2.0
// Remembers whom the bot asked which Toggle a command is for, so that the name alone is an answer to that.
import type { Clock } from "../time.ts";
import type { CommandSource } from "./access.ts";
import { commandOf, type SwitchCommand } from "./command.ts";

/** An answer that comes later is a line of its own. */
const OPEN_MS = 120_000;

/** In memory alone: after a restart a bare name is asked about like any other line. */
export type OpenQuestions = {
  /** `source` was asked which Toggle `command` is for. */
  asked(command: SwitchCommand, source: CommandSource): void;
  /** Whether `line` would be an answer of `source`. */
  isAnswer(line: string, source: CommandSource): boolean;
  /**
   * The command with the name that `line` is. A question is over with the next line of whom it was asked, whatever that is:
   * undefined of a line that is no name of a Toggle.
   */
  answer(line: string | undefined, source: CommandSource): SwitchCommand | undefined;
};

const keyOf = ({ room, sender }: CommandSource): string => JSON.stringify([room, sender]);

/** `isToggle`: whether a source may switch a Toggle of this name. */
export const createOpenQuestions = (
  clock: Pick<Clock, "now">,
  isToggle: (name: string, source: CommandSource) => boolean,
): OpenQuestions => {
  const open = new Map<string, { command: SwitchCommand; endsAt: number }>();
  const completed = (line: string, source: CommandSource): SwitchCommand | undefined => {
    const question = open.get(keyOf(source));
    if (question === undefined || clock.now() >= question.endsAt) return undefined;
    // The name is written as in a command.
    const { toggle } = { toggle: undefined, ...commandOf(`restart ${line}`) };
    return toggle !== undefined && isToggle(toggle, source) ? { ...question.command, toggle } : undefined;
  };
  return {
    asked: (command, source) => void open.set(keyOf(source), { command, endsAt: clock.now() + OPEN_MS }),
    isAnswer: (line, source) => completed(line, source) !== undefined,
    answer(line, source) {
      const command = line === undefined ? undefined : completed(line, source);
      open.delete(keyOf(source));
      return command;
    },
  };
};
