// SPDX-License-Identifier: Apache-2.0
// Defines how a command specifies its options and operands; parsing, help, completion and the documentation test read it.
import type { Context } from "./context.ts";
import type { ExitName } from "./exit-codes.ts";

/** What completion offers for a value. */
export type Completes = "file" | "secret";

export type OptionSpec =
  | { type: "boolean"; short?: string; help: string }
  | {
      type: "string";
      short?: string;
      /** What the help calls the value. */
      value: string;
      help: string;
      multiple?: true;
      choices?: readonly string[];
      completes?: Completes;
    };
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** The values of the options: true or false, text or undefined, or all texts in their order. */
export type OptionValues<O extends OptionSpecs> = {
  [Name in keyof O]: O[Name] extends { type: "boolean" }
    ? boolean
    : O[Name] extends { multiple: true }
      ? string[]
      : string | undefined;
};

/** A word of the command line that is no option. */
export type OperandSpec = {
  name: string;
  required: boolean;
  /** Takes all that follow. */
  many?: true;
  choices?: readonly string[];
  completes?: Completes;
};

/** A command as its file describes it. */
export type CommandSpec<O extends OptionSpecs> = {
  /** One word, or two (`mirror sync`). */
  name: string;
  summary: string;
  operands: readonly OperandSpec[];
  options: O;
  /** Lines of the help below the options. */
  notes?: readonly string[];
  run(
    context: Context,
    input: { options: OptionValues<O & GlobalOptions>; operands: string[] },
  ): Promise<ExitName>;
};

/** A command of any options. */
export type Command = Omit<CommandSpec<OptionSpecs>, "run"> & {
  /** @throws CommandFailed when the arguments are not right, or the command fails. */
  start(context: Context, args: readonly string[]): Promise<ExitName>;
};

/** Every command takes these. */
export const GLOBAL_OPTIONS = {
  namespace: {
    type: "string",
    short: "n",
    value: "NAMESPACE",
    help: "whose secrets (default: the namespace of the current context)",
  },
  output: {
    type: "string",
    short: "o",
    value: "FORMAT",
    choices: ["text", "json", "yaml"],
    help: "text (default), json or yaml",
  },
  context: { type: "string", value: "NAME", help: "context of the kubeconfig" },
  kubeconfig: { type: "string", value: "FILE", completes: "file", help: "kubeconfig file" },
  agent: {
    type: "string",
    value: "NAME",
    help: "which agent, where there are several: the device's name (KEYSWITCH_AGENT)",
  },
  "keyswitch-namespace": {
    type: "string",
    value: "NAMESPACE",
    help: "where Keyswitch is installed (KEYSWITCH_NAMESPACE; default keyswitch)",
  },
  server: {
    type: "string",
    value: "URL",
    help: "the agent's address: asked directly, without a port-forward (KEYSWITCH_SERVER)",
  },
  "ca-file": {
    type: "string",
    value: "FILE",
    completes: "file",
    help: "with --server: the CA of its certificate (KEYSWITCH_CA_FILE)",
  },
  "server-name": {
    type: "string",
    value: "NAME",
    help: "with --server: the name in its certificate, if it is not the URL's (KEYSWITCH_SERVER_NAME)",
  },
  "token-file": {
    type: "string",
    value: "FILE",
    completes: "file",
    help: "with --server: the file with the agent's token (KEYSWITCH_TOKEN_FILE)",
  },
  timeout: {
    type: "string",
    value: "SECONDS",
    help: "for each request to the agent (KEYSWITCH_TIMEOUT_SECONDS; default 60)",
  },
  "connect-timeout": {
    type: "string",
    value: "SECONDS",
    help: "for the port-forward and the connection (KEYSWITCH_CONNECT_TIMEOUT_SECONDS; default 15)",
  },
  help: { type: "boolean", short: "h", help: "show the command's help" },
} as const satisfies OptionSpecs;
export type GlobalOptions = typeof GLOBAL_OPTIONS;
