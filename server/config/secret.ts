// SPDX-License-Identifier: Apache-2.0
// Wraps a secret of the configuration, from a variable or from a file, so that it never prints.
import { inspect } from "node:util";
import { type Parsed, type RereadFile, rereadFiles, UnusableFile } from "./reread-file.ts";
import type { VariableReader } from "./variables.ts";

const REDACTED = "[redacted]";

/** Printed, logged or turned into JSON it is `[redacted]`. */
export type Secret = {
  /** The secret as it is now: a file is looked at for each call, and read again when it changed. */
  reveal(): string;
  /** Why the file as it is now can't be used (the former content then stays in use); never its content. */
  fault(): string | undefined;
  /** The variable, and the file where it names one: for telling a person which to correct. */
  readonly source: string;
  toJSON(): string;
};

/** Longer than any password or token in use. */
const MAX_BYTES = 16 * 1024;

/** The one line of a secret file; the line break at its end is not part of it. */
const parseLine = (contents: Buffer): Parsed<string> => {
  if (contents.length > MAX_BYTES) return { ok: false, message: `holds more than ${MAX_BYTES} bytes` };
  const line = contents.toString("utf8").replace(/\r?\n$/, "");
  if (line === "") return { ok: false, message: "is empty" };
  if (/[\r\n]/.test(line)) return { ok: false, message: "holds more than one line" };
  return { ok: true, value: line };
};

const secretOf = (source: string, value: () => string, fault: () => string | undefined): Secret => {
  const secret: Secret = { reveal: value, fault, source, toJSON: () => REDACTED };
  return Object.defineProperty(secret, inspect.custom, { value: () => REDACTED });
};

/** A secret that stays as it is. */
export const fixedSecret = (value: string, source: string): Secret =>
  secretOf(
    source,
    () => value,
    () => undefined,
  );

/**
 * The secret of `name`, or of the file that `<name>_FILE` names; undefined where neither is set. Both at once, and a file
 * that can't be used, are faults.
 */
export const readSecret = <Name extends string>(
  reader: VariableReader<Record<NoInfer<Name> | `${NoInfer<Name>}_FILE`, string>>,
  name: Name,
): Secret | undefined => {
  const fileName: `${Name}_FILE` = `${name}_FILE`;
  const plain = reader.raw(name);
  const path = reader.raw(fileName);
  if (plain !== undefined && path !== undefined) {
    reader.fault(fileName, `must not be set beside ${name}`);
    return undefined;
  }
  if (plain !== undefined) return fixedSecret(plain, name);
  if (path === undefined) return undefined;
  try {
    const file: RereadFile<string> = rereadFiles({
      paths: [path],
      parse: parseLine,
      // Asked for at a log-in, which is rare; who asks tells `fault`.
      onFault: () => {},
      checkEveryMs: 0,
    });
    return secretOf(`${fileName} (${path})`, () => file.get(), file.fault);
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error;
    reader.fault(fileName, error.message);
    return undefined;
  }
};
