// SPDX-License-Identifier: Apache-2.0
// Collects the keys and values for create and update: literals, files, standard input, prompts.
import { basename } from "node:path";
import { MAX_SECRET_BYTES } from "../../../hooks/formats.ts";
import type { SecretMetadata } from "../../agent-api/schema.ts";
import type { Context } from "../context.ts";
import { usageError } from "../exit-codes.ts";
import type { OptionSpecs } from "../option-spec.ts";
import { readDotenv } from "./dotenv.ts";
import { readEnvFile } from "./env-file.ts";
import { formatOfName, readJsonKeys } from "./file-formats.ts";
import { createFileReader, type FileReader } from "./files.ts";
import { readLiteral } from "./literal.ts";
import type { ParseResult } from "./parse-text.ts";
import { isKeyForBoth, KEY_RULE, type Keys } from "./secret-keys.ts";
import { askTwice } from "./terminal.ts";

export const VALUE_OPTIONS = {
  "from-literal": {
    type: "string",
    value: "KEY=VALUE",
    multiple: true,
    help: "a value on the command line: everybody on this machine sees it in the list of processes, and the shell keeps it in its history. Prefer --from-file KEY=-",
  },
  "from-file": {
    type: "string",
    value: "[KEY=]FILE",
    multiple: true,
    completes: "file",
    help: "a file's bytes as KEY (default: the file's name). Without KEY, each key of a .json file and each line of a .env file. KEY=- is standard input",
  },
  "from-env-file": {
    type: "string",
    value: "FILE",
    multiple: true,
    completes: "file",
    help: "each line KEY=value of a file of any name, as kubectl create secret generic reads it: the value is all behind the =, quotation marks and # too",
  },
  interactive: { type: "boolean", short: "i", help: "ask for keys, and for values without showing them" },
  description: { type: "string", value: "TEXT", help: "what the secret is, for people" },
  label: {
    type: "string",
    short: "l",
    value: "KEY=VALUE",
    multiple: true,
    help: "a label in the secret's metadata",
  },
} as const satisfies OptionSpecs;

export type ValueOptions = {
  "from-literal": string[];
  "from-file": string[];
  "from-env-file": string[];
  interactive: boolean;
  description: string | undefined;
  label: string[];
};

/** Every key with its value, in the order of options. @throws CommandFailed for the first thing that is wrong. */
export const readValues = async (context: Context, options: ValueOptions): Promise<Keys> => {
  const collected = collectKeys();
  for (const [index, literal] of options["from-literal"].entries()) {
    addLiteral(collected, literal, `--from-literal number ${index + 1}`);
  }
  const files = createFileReader(context.io);
  for (const [index, given] of options["from-file"].entries()) {
    await addFile(collected, files, given, `--from-file number ${index + 1}`);
  }
  for (const path of options["from-env-file"]) collected.addAll(readEnvFile(await files.read(path)), path);
  if (options.interactive) await askForKeys(context, collected);
  const { keys } = collected;
  const size = [...keys.values()].reduce((sum, { length }) => sum + length, 0);
  if (size > MAX_SECRET_BYTES) {
    usageError(`the values have ${size} bytes together; a Secret takes ${MAX_SECRET_BYTES}`);
  }
  return keys;
};

type CollectedKeys = ReturnType<typeof collectKeys>;

/** The keys so far. Adding one that is none, or that is there, ends the command; `where` says what gave it. */
const collectKeys = () => {
  const keys: Keys = new Map();
  const add = (key: string, value: Uint8Array, where: string) => {
    checkKey(key, where);
    if (keys.has(key)) usageError(`${where} gives the key ${key} a second time`);
    keys.set(key, value);
  };
  const addAll = (read: ParseResult<Keys>, where: string) => {
    if (!read.ok) return usageError(`${where} ${read.message}`);
    for (const [key, value] of read.value) add(key, value, where);
  };
  return { keys, add, addAll };
};

const addLiteral = (collected: CollectedKeys, literal: string, where: string): void => {
  const read = readLiteral(literal);
  if (!read.ok) usageError(`${where}${read.message}`);
  collected.add(read.value.key, read.value.value, where);
};

/** `given` is FILE or KEY=FILE. */
const addFile = async (
  collected: CollectedKeys,
  files: FileReader,
  given: string,
  where: string,
): Promise<void> => {
  const at = given.indexOf("=");
  const path = given.slice(at + 1);
  if (path === "" || at === 0) usageError("--from-file must be FILE or KEY=FILE");
  if (at > 0) {
    const key = given.slice(0, at);
    checkKey(key, where);
    // What is behind KEY= is not repeated: it may be a value that was meant for --from-literal.
    return collected.add(key, await files.read(path, { what: `${where}: the file` }), where);
  }
  if (path === "-") usageError("--from-file - needs a key: KEY=-");
  const contents = await files.read(path);
  const format = formatOfName(path);
  if (format === "env") collected.addAll(readDotenv(contents), path);
  else if (format === "json") collected.addAll(readJsonKeys(contents), path);
  else collected.add(basename(path), contents, path);
};

const checkKey = (key: string, where: string): void => {
  if (!isKeyForBoth(key)) usageError(`${where}: a key ${KEY_RULE}`);
};

const askForKeys = async (context: Context, collected: CollectedKeys): Promise<void> => {
  const terminal = context.terminal();
  if (terminal === undefined) return usageError("--interactive needs a terminal");
  for (;;) {
    const key = await terminal.ask("Key (empty to end): ");
    if (key === "") return;
    checkKey(key, "the key");
    collected.add(key, await askTwice(terminal, `Value of ${key}`, "values"), "the question");
  }
};

/** What --description and --label say, or undefined where neither is given. */
export const readMetadata = (options: ValueOptions): SecretMetadata | undefined => {
  const labels = new Map<string, string>();
  for (const [index, label] of options.label.entries()) {
    const at = label.indexOf("=");
    if (at < 1) return usageError(`--label number ${index + 1} must be KEY=VALUE`);
    const [key, value] = [label.slice(0, at), label.slice(at + 1)];
    if (key.startsWith("sync.")) usageError("--label: labels that begin with sync. are the agent's own");
    if (value.length > 256) usageError(`--label number ${index + 1} has a value of more than 256 characters`);
    if (labels.has(key)) usageError(`--label number ${index + 1} gives a label a second time`);
    labels.set(key, value);
  }
  if (options.description === undefined && labels.size === 0) return undefined;
  if ((options.description?.length ?? 0) > 1024) usageError("--description has more than 1024 characters");
  return {
    ...(options.description !== undefined && { description: options.description }),
    ...(labels.size > 0 && { labels: Object.fromEntries(labels) }),
  };
};

/** Ends a command that needs a value. The type is written out so that the compiler knows it ends there. */
export const noValue: () => never = () =>
  usageError("no value is given: --from-file, --from-env-file, --interactive or --from-literal");
