// SPDX-License-Identifier: Apache-2.0
// Parses the command line into checked values. node:util's parseArgs splits it; choices, operands and messages that do not
// repeat what was typed, since that may be a secret, are here.
import { parseArgs } from "node:util";
import { usageError } from "./exit-codes.ts";
import {
  type Command,
  type CommandSpec,
  GLOBAL_OPTIONS,
  type GlobalOptions,
  type OperandSpec,
  type OptionSpec,
  type OptionSpecs,
  type OptionValues,
} from "./option-spec.ts";

/** What parseArgs makes of the line when it is asked to judge nothing. */
const tokensOf = (specs: OptionSpecs, args: readonly string[]) => {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]),
  );
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true }).tokens;
};

type OptionToken = Extract<ReturnType<typeof tokensOf>[number], { kind: "option" }>;

/** A name that was typed where an option belongs, as far as it can be repeated. */
const shown = (rawName: string): string => (/^--?[a-z-]{1,30}$/.test(rawName) ? ` ${rawName}` : "");

const valueGiven = (name: string, spec: OptionSpec, raw: string | undefined, short: boolean): string => {
  if (raw === undefined) return usageError(`--${name} needs a value`);
  // As kubectl has it: -n=shop is -n shop.
  const value = short && raw.startsWith("=") ? raw.slice(1) : raw;
  if (spec.type === "string" && spec.choices !== undefined && !spec.choices.includes(value)) {
    usageError(`--${name} must be one of ${spec.choices.join(", ")}`);
  }
  return value;
};

/** Adds one option of the line to those that are `given`. */
const addOption = (given: Map<string, string[]>, specs: OptionSpecs, option: OptionToken): void => {
  const { name, value, rawName } = option;
  const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
  if (spec === undefined) {
    usageError(`the option${shown(rawName)} is not known (--help lists those that are)`);
  }
  if (spec.type === "boolean") {
    if (value !== undefined) usageError(`--${name} takes no value`);
    given.set(name, []);
    return;
  }
  if (option.inlineValue === false && /^-./.test(value ?? "")) {
    usageError(`--${name} needs a value; one that starts with - is given as --${name}=VALUE`);
  }
  const text = valueGiven(name, spec, value, !rawName.startsWith("--"));
  const before = given.get(name) ?? [];
  if (before.length > 0 && spec.multiple === undefined) usageError(`--${name} is given twice`);
  given.set(name, [...before, text]);
};

const collect = <O extends OptionSpecs>(specs: O, args: readonly string[]) => {
  const given = new Map<string, string[]>();
  const operands: string[] = [];
  for (const part of tokensOf(specs, args)) {
    if (part.kind === "positional") operands.push(part.value);
    if (part.kind === "option") addOption(given, specs, part);
  }
  const values = Object.entries(specs).map(([name, spec]) => {
    if (spec.type === "boolean") return [name, given.has(name)];
    return [name, spec.multiple ? (given.get(name) ?? []) : given.get(name)?.[0]];
  });
  // Each entry was just made to the shape that its spec says.
  return { options: Object.fromEntries(values) as OptionValues<O>, operands };
};

const checkOperands = (specs: readonly OperandSpec[], operands: readonly string[]): void => {
  const missing = specs.find(({ required }, index) => required && operands[index] === undefined);
  if (missing !== undefined) usageError(`${missing.name} is missing`);
  if (operands.length > specs.length && specs.at(-1)?.many === undefined) {
    usageError(
      specs.length === 0
        ? "the command takes options only, and there is a word besides"
        : `the command takes ${specs.map(({ name }) => name).join(" ")}, and there are ${operands.length} words`,
    );
  }
  for (const [index, { name, choices }] of specs.entries()) {
    const operand = operands[index];
    if (operand !== undefined && choices !== undefined && !choices.includes(operand)) {
      usageError(`${name} must be one of ${choices.join(", ")}`);
    }
  }
};

/** A command that parses its own arguments when it is started. */
export const command = <const O extends OptionSpecs>(spec: CommandSpec<O>): Command => {
  const { run, ...described } = spec;
  return {
    ...described,
    async start(context, args) {
      const input = collect({ ...spec.options, ...GLOBAL_OPTIONS }, args);
      checkOperands(spec.operands, input.operands);
      context.setGlobals(input.options);
      return run(context, input);
    },
  };
};

/**
 * Finds the command's words in front of, between or behind options, and what is left for the command itself. `words` is
 * empty where only options were given.
 */
export const splitCommand = (
  args: readonly string[],
  isCommand: (name: string) => boolean,
): { name: string | undefined; rest: string[]; help: boolean } => {
  const tokens = tokensOf(GLOBAL_OPTIONS, args);
  const help = tokens.some((part) => part.kind === "option" && part.name === "help");
  const [first, second] = tokens.flatMap((part) => (part.kind === "positional" ? [part] : []));
  if (first === undefined) return { name: undefined, rest: [...args], help };
  const both = `${first.value} ${second?.value}`;
  const used = second !== undefined && isCommand(both) ? [first.index, second.index] : [first.index];
  return {
    name: used.length === 2 ? both : first.value,
    rest: args.filter((_, index) => !used.includes(index)),
    help,
  };
};

/** The options of every command among `args`, as far as they can be made out; for completion, which must not complain. */
export const globalsOf = (args: readonly string[]): OptionValues<GlobalOptions> => {
  const mine = tokensOf(GLOBAL_OPTIONS, args).flatMap((part) =>
    part.kind === "option" && Object.hasOwn(GLOBAL_OPTIONS, part.name) && part.value !== undefined
      ? [`--${part.name}=${part.value}`]
      : [],
  );
  return collect(GLOBAL_OPTIONS, mine).options;
};
