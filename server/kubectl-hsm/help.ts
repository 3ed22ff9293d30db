// SPDX-License-Identifier: Apache-2.0
// Renders the help, general and for one command, from the commands' specifications.
import { COMMANDS } from "./commands.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { type Command, GLOBAL_OPTIONS, type OptionSpec, type OptionSpecs } from "./option-spec.ts";

const WIDTH = 110;
const COLUMN = 30;

/** `text` behind `label`, broken at words. */
const item = (label: string, text: string): string => {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && COLUMN + line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  const first = label.length + 2 > COLUMN ? `${label}\n${" ".repeat(COLUMN)}` : label.padEnd(COLUMN);
  return `${first}${lines.join(`\n${" ".repeat(COLUMN)}`)}`;
};

const optionLabel = (name: string, spec: OptionSpec): string => {
  const short = spec.short === undefined ? "    " : `-${spec.short}, `;
  return `  ${short}--${name}${spec.type === "string" ? ` ${spec.value}` : ""}`;
};

const optionLines = (options: OptionSpecs): string[] =>
  Object.entries(options).map(([name, spec]) => item(optionLabel(name, spec), spec.help));

/** `create NAME`, `import [FILE...]` */
export const usageOf = ({ name, operands }: Command): string =>
  [
    name,
    ...operands.map((one) => {
      const word = `${one.name}${one.many ? "..." : ""}`;
      return one.required ? word : `[${word}]`;
    }),
  ].join(" ");

export const commandHelp = (command: Command): string =>
  [
    `kubectl hsm ${usageOf(command)} [options]`,
    "",
    `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`,
    ...(Object.keys(command.options).length === 0 ? [] : ["", "options", ...optionLines(command.options)]),
    ...(command.notes === undefined ? [] : ["", ...command.notes]),
    "",
    "options of every command",
    ...optionLines(GLOBAL_OPTIONS),
    "",
  ].join("\n");

export const generalHelp = (): string =>
  [
    "kubectl hsm COMMAND [options]",
    "",
    "Secrets on the hardware token that Keyswitch mirrors into Kubernetes. No value is printed or taken from the",
    "command line unless you ask for it with --show, --key or --from-literal.",
    "",
    "commands (kubectl hsm COMMAND --help has the options)",
    ...COMMANDS.map((one) => item(`  ${usageOf(one)}`, one.summary)),
    item("  help [COMMAND]", "show this, or a command's help"),
    "",
    "options of every command",
    ...optionLines(GLOBAL_OPTIONS),
    "",
    "exit codes",
    ...Object.values(EXIT_CODES).map(({ code, text }) => item(`  ${code}`, text)),
    "",
  ].join("\n");
