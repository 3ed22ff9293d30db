// SPDX-License-Identifier: Apache-2.0
// Computes shell completions from the commands' specifications; for names of secrets it asks the agent, within a second or two.
import { splitCommand } from "./arguments.ts";
import { COMMANDS, commandNamed } from "./commands.ts";
import {
  type Command,
  type Completes,
  GLOBAL_OPTIONS,
  type OptionSpec,
  type OptionSpecs,
} from "./option-spec.ts";

/** `words` are candidates; `file` and `secret` are for the caller to look up. */
export type Completion = { words: string[]; lookUp?: Completes };

/** What can stand in place of the last word of `line`, which is the one being typed. */
export const completionsOf = (line: readonly string[]): Completion => {
  const current = line.at(-1) ?? "";
  const before = line.slice(0, -1);
  const { name } = splitCommand(before, (one) => commandNamed(one) !== undefined);
  const command = name === undefined ? undefined : commandNamed(name);
  const options: OptionSpecs = { ...command?.options, ...GLOBAL_OPTIONS };
  const waiting = optionThatWaits(options, before.at(-1));
  if (waiting !== undefined) return matching(current, waiting.choices ?? [], waiting.completes);
  const [, inlineName, inlineValue = ""] = /^--([a-z-]+)=(.*)$/s.exec(current) ?? [];
  if (inlineName !== undefined) return inlineValues(options, inlineName, inlineValue);
  if (current.startsWith("-")) {
    return matching(
      current,
      Object.keys(options).map((one) => `--${one}`),
    );
  }
  if (command === undefined) return matching(current, firstWords(name));
  const operand = command.operands[operandsBefore(command, before)];
  return operand === undefined ? { words: [] } : matching(current, operand.choices ?? [], operand.completes);
};

/** The values of an option that is typed as --NAME=VALUE. */
const inlineValues = (options: OptionSpecs, name: string, value: string): Completion => {
  const spec = Object.hasOwn(options, name) ? options[name] : undefined;
  if (spec?.type !== "string") return { words: [] };
  const values = matching(value, spec.choices ?? [], spec.completes);
  return { ...values, words: values.words.map((word) => `--${name}=${word}`) };
};

/** The commands' first words; after `mirror`, its second. */
const firstWords = (name: string | undefined): string[] =>
  name === undefined
    ? [...new Set([...COMMANDS.map((one) => one.name.split(" ")[0] ?? ""), "help"])]
    : name === "help"
      ? COMMANDS.map((one) => one.name)
      : COMMANDS.flatMap((one) => (one.name.startsWith(`${name} `) ? [one.name.slice(name.length + 1)] : []));

const matching = (current: string, words: readonly string[], lookUp?: Completes): Completion => ({
  words: words.filter((word) => word.startsWith(current)),
  ...(lookUp !== undefined && words.length === 0 && { lookUp }),
});

/** The option whose value comes next. */
const optionThatWaits = (
  options: OptionSpecs,
  last: string | undefined,
): Extract<OptionSpec, { type: "string" }> | undefined => {
  const found = Object.entries(options).find(
    ([name, { short }]) => last === `--${name}` || (short !== undefined && last === `-${short}`),
  )?.[1];
  return found?.type === "string" ? found : undefined;
};

/** How many operands stand there already; one that takes all that follow is never over. */
const operandsBefore = (command: Command, before: readonly string[]): number => {
  const options: OptionSpecs = { ...command.options, ...GLOBAL_OPTIONS };
  const words = before.filter(
    (word, index) => !word.startsWith("-") && optionThatWaits(options, before[index - 1]) === undefined,
  );
  const operands = words.length - command.name.split(" ").length;
  const last = command.operands.at(-1);
  return last?.many ? Math.min(operands, command.operands.length - 1) : operands;
};
