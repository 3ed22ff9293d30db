// SPDX-License-Identifier: Apache-2.0
// Parses a file for `import`: an export, JSON of one or many secrets, or the lines of a .env file.
import { basename } from "node:path";
import { Type } from "@sinclair/typebox";
import { checksum } from "../../../hooks/checksum.ts";
import { fromBase64Map, isHsmPath, MAX_SECRET_BYTES, toBase64Map } from "../../../hooks/formats.ts";
import { ImportedSecret } from "../../agent-api/bulk-schema.ts";
import type { SecretMetadata } from "../../agent-api/schema.ts";
import { compileSchema } from "../../http/validation.ts";
import { usageError } from "../exit-codes.ts";
import { readDotenv } from "./dotenv.ts";
import { formatOfName, keysOfJson } from "./file-formats.ts";
import { type Json, type Member, plainJson, readJson } from "./json.ts";
import { type ParseResult, parseText } from "./parse-text.ts";
import { isKeyForBoth, KEY_RULE, type Keys } from "./secret-keys.ts";

/** One secret to import. */
export type ImportInput = {
  path: string;
  data: Keys;
  metadata?: SecretMetadata;
  /** The file or Secret that it is from. */
  source: string;
};

export type BundleOptions = {
  /** In place of what the file's name says. */
  format: "env" | "json" | undefined;
  /** In place of the file's name, where it holds one secret. */
  name: string | undefined;
  /** The path of a name. */
  pathOf: (name: string) => Promise<string>;
};

/** What `export` writes, with what the agent takes of it. */
const exported = compileSchema(Type.Object({ secrets: Type.Array(ImportedSecret) }));

/** Every secret of a file. @throws CommandFailed where anything in it is not right. */
export const readBundle = async (
  file: string,
  contents: Buffer,
  options: BundleOptions,
): Promise<ImportInput[]> => {
  const format = options.format ?? formatOfName(file);
  if (format === "raw") {
    return usageError(`${file}: neither .json nor .env by its name: say which with --format`);
  }
  if (format === "env") return [await oneSecret(file, found(file, readDotenv(contents)), options)];
  const json = found(
    file,
    parseText(contents, (text) => jsonBundle(readJson(text))),
  );
  if (json.kind === "export") return fromExport(file, json.value);
  if (json.kind === "one") return [await oneSecret(file, json.keys, options)];
  if (options.name !== undefined) return usageError(`--name is for one secret, and ${file} holds several`);
  const secrets: ImportInput[] = [];
  for (const [index, [name, data]] of json.secrets.entries()) {
    const path = await options
      .pathOf(name)
      .catch(() => usageError(`${file}: the name of secret ${index + 1} can't be one`));
    secrets.push(checked({ path, data, source: file }));
  }
  return secrets;
};

/** What was read, or the end of the command with what is wrong in the file. */
const found = <T>(file: string, read: ParseResult<T>): T =>
  read.ok ? read.value : usageError(`${file} ${read.message}`);

type JsonBundle =
  /** `{device, secrets: [...]}`, as `export` writes it. */
  | { kind: "export"; value: unknown }
  | { kind: "one"; keys: Keys }
  /** Every value is an object: secrets by name. */
  | { kind: "many"; secrets: [name: string, keys: Keys][] };

/** Which of the three a JSON file is; a part of `readText`'s reader. */
const jsonBundle = (json: Json): JsonBundle => {
  const members = json.kind === "object" ? [...json.members] : [];
  if (members.some(([key, { value }]) => key === "secrets" && value.kind === "array")) {
    return { kind: "export", value: plainJson(json) };
  }
  if (members.length === 0 || !members.every(isNested)) return { kind: "one", keys: keysOfJson(json) };
  return {
    kind: "many",
    secrets: members.map(([name, { value }], index) => [name, keysOfJson(value, ` in secret ${index + 1}`)]),
  };
};

const isNested = ([, { value }]: [string, Member]): boolean => value.kind === "object";

const fromExport = (file: string, value: unknown): ImportInput[] => {
  if (!exported.Check(value)) {
    return usageError(`${file} looks like an export, and is none: ${firstFault(value)}`);
  }
  return value.secrets.map(({ path, data, metadata, checksum: sum }) => {
    if (!isHsmPath(path)) usageError(`${file} holds a path that can't be one`);
    const values = fromBase64Map(data);
    if (sum !== undefined && sum !== checksum(values)) {
      usageError(`${file}: the values of ${path} do not fit their checksum; the file was damaged or edited`);
    }
    return checked({ path, data: values, ...(metadata !== undefined && { metadata }), source: file });
  });
};

/** Where the first fault is, without what stands there. */
const firstFault = (value: unknown): string => {
  const pointer = exported.Errors(value).First()?.path ?? "";
  return pointer.replace(/[^\x20-\x7e]/g, "?").slice(0, 200) || "its outermost value";
};

const oneSecret = async (file: string, data: Keys, options: BundleOptions): Promise<ImportInput> => {
  const name =
    options.name ??
    basename(file)
      .replace(/\.(json|env|age)$/i, "")
      .replace(/\.(json|env)$/i, "");
  if (file === "-" && options.name === undefined) {
    usageError("standard input needs --name for its one secret");
  }
  if (name === "" || name.startsWith(".env")) {
    usageError(`${file}: its name is no secret's: give one with --name`);
  }
  return checked({ path: await options.pathOf(name), data, source: file });
};

/** What the agent would refuse is refused here, before anything is sent. */
export const checked = (incoming: ImportInput): ImportInput => {
  const { path, data, source } = incoming;
  for (const key of data.keys()) {
    if (!isKeyForBoth(key)) usageError(`${source}: a key of ${path} can't be one: it ${KEY_RULE}`);
  }
  const size = [...data.values()].reduce((sum, { length }) => sum + length, 0);
  if (size > MAX_SECRET_BYTES) {
    usageError(`${source}: ${path} has ${size} bytes; a Secret takes ${MAX_SECRET_BYTES}`);
  }
  return incoming;
};

/** The body of an import. */
export const toImported = ({ path, data, metadata }: ImportInput): ImportedSecret => ({
  path,
  data: toBase64Map(data),
  ...(metadata !== undefined && { metadata }),
});
