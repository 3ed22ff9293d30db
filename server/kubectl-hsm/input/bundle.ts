// SPDX-License-Identifier: Apache-2.0
// What a file for `import` holds: an export, JSON of one or many secrets, or the lines of a .env file.
import { basename } from "node:path";
import { Type } from "@sinclair/typebox";
import { checksum } from "../../../hooks/checksum.ts";
import { isHsmPath } from "../../../hooks/hsm-path.ts";
import { isKeyName } from "../../agent/storage/path.ts";
import { ImportedSecret, type SecretMetadata } from "../../agent-api.ts";
import { compileSchema } from "../../http/validation.ts";
import { CommandFailed } from "../exit-codes.ts";
import { formatOfName, keysOfJson, type ParsedKeys, parseEnv, parseJson } from "./file-formats.ts";
import { MAX_SECRET_BYTES } from "./files.ts";

/** One secret to import. */
export type Incoming = {
  path: string;
  data: Map<string, Uint8Array>;
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

const wrong = (message: string): never => {
  throw new CommandFailed("usage", message);
};

/** Every secret of a file. @throws CommandFailed where anything in it is not right. */
export const readBundle = async (
  file: string,
  contents: Buffer,
  options: BundleOptions,
): Promise<Incoming[]> => {
  const format = options.format ?? formatOfName(file);
  if (format === "raw") return wrong(`${file}: neither .json nor .env by its name: say which with --format`);
  if (format === "env") return [await oneSecret(file, parseEnv(contents), options)];
  const parsed = parseJson(contents);
  if (!parsed.ok) return wrong(`${file} ${parsed.message}`);
  const { value } = parsed;
  if (isExport(value)) return fromExport(file, value);
  if (!isNested(value)) return [await oneSecret(file, keysOfJson(value), options)];
  if (options.name !== undefined) return wrong(`--name is for one secret, and ${file} holds several`);
  const found: Incoming[] = [];
  for (const [index, [name, keys]] of Object.entries(value).entries()) {
    const path = await options
      .pathOf(name)
      .catch(() => wrong(`${file}: the name of secret ${index + 1} can't be one`));
    found.push(
      checked({ path, data: keysOrFail(file, keysOfJson(keys, ` in secret ${index + 1}`)), source: file }),
    );
  }
  return found;
};

/** `{device, secrets: [...]}`, as `export` writes it. */
const isExport = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "secrets" in value && Array.isArray(value.secrets);

/** Every value is an object: secrets by name. */
const isNested = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.keys(value).length > 0 &&
  Object.values(value).every((inner) => typeof inner === "object" && inner !== null && !Array.isArray(inner));

const fromExport = (file: string, value: unknown): Incoming[] => {
  if (!exported.Check(value)) return wrong(`${file} looks like an export, and is none: ${firstFault(value)}`);
  return value.secrets.map(({ path, data, metadata, checksum: sum }) => {
    if (!isHsmPath(path)) wrong(`${file} holds a path that can't be one`);
    const values = new Map(
      Object.entries(data).map(([key, base64]) => [key, Buffer.from(base64, "base64")] as const),
    );
    if (sum !== undefined && sum !== checksum(values))
      wrong(`${file}: the values of ${path} do not fit their checksum; the file was damaged or edited`);
    return checked({ path, data: values, ...(metadata && { metadata }), source: file });
  });
};

/** Where the first fault is, without what stands there. */
const firstFault = (value: unknown): string => {
  const pointer = exported.Errors(value).First()?.path ?? "";
  return pointer.replace(/[^\x20-\x7e]/g, "?").slice(0, 200) || "its outermost value";
};

const keysOrFail = (what: string, parsed: ParsedKeys): Map<string, Uint8Array> =>
  parsed.ok ? parsed.keys : wrong(`${what} ${parsed.message}`);

const oneSecret = async (file: string, parsed: ParsedKeys, options: BundleOptions): Promise<Incoming> => {
  const data = keysOrFail(file, parsed);
  const name =
    options.name ??
    basename(file)
      .replace(/\.(json|env|age)$/i, "")
      .replace(/\.(json|env)$/i, "");
  if (file === "-" && options.name === undefined) wrong("standard input needs --name for its one secret");
  if (name === "" || name.startsWith(".env")) wrong(`${file}: its name is no secret's: give one with --name`);
  return checked({ path: await options.pathOf(name), data, source: file });
};

/** What the agent would refuse is refused here, before anything is sent. */
export const checked = (incoming: Incoming): Incoming => {
  const { path, data, source } = incoming;
  for (const key of data.keys())
    if (!isKeyName(key) || key === "__proto__")
      wrong(`${source}: a key of ${path} can't be one: letters, digits, ".", "_" and "-", at most 253`);
  const size = [...data.values()].reduce((sum, { length }) => sum + length, 0);
  if (size > MAX_SECRET_BYTES)
    wrong(`${source}: ${path} has ${size} bytes; a Secret takes ${MAX_SECRET_BYTES}`);
  return incoming;
};

/** Whether text is base64 as the API spells it. */
export const isBase64 = (text: string): boolean => Buffer.from(text, "base64").toString("base64") === text;

/** The body of an import. */
export const toImported = ({ path, data, metadata }: Incoming): ImportedSecret => ({
  path,
  data: Object.fromEntries([...data].map(([key, value]) => [key, Buffer.from(value).toString("base64")])),
  ...(metadata && { metadata }),
});
