// SPDX-License-Identifier: Apache-2.0
// How one environment variable becomes one checked value: every fault is collected, none stops the reading.
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** The environment as Node gives it. */
export type Environment = Record<string, string | undefined>;

/** One thing that is wrong with the configuration. `name` is the variable; the message holds no secret. */
export type ConfigFault = { name: string; message: string };

/** A whole configuration, frozen, or every fault of it. */
export type ConfigResult<T> = { ok: true; config: T } | { ok: false; faults: ConfigFault[] };

/** The variables a role knows, each with its default as text, or null where there is none. */
export type VariableTable = Record<string, string | null>;

/** What a reader of one role's variables offers. Each method reports its own faults and then gives undefined. */
export type VariableReader<Name extends string> = {
  /** The value or its default. An empty variable counts as unset. */
  raw(name: Name): string | undefined;
  /** Text that passes `schema`; `expected` completes "must be …". */
  text(name: Name, schema: TSchema, expected: string): string | undefined;
  integer(name: Name, minimum: number, maximum: number): number | undefined;
  /** `true`, `1`, `yes`, `false`, `0` or `no`, in any case. */
  boolean(name: Name): boolean | undefined;
  oneOf<const T extends string>(name: Name, choices: readonly T[]): T | undefined;
  /** The path of a file that exists and can be read. */
  file(name: Name): string | undefined;
  /** Reports that a variable without a value needs one. */
  required<T>(name: Name, value: T | undefined): T | undefined;
  fault(name: Name, message: string): void;
  readonly faults: ConfigFault[];
};

/** Why `path` can't be used as a readable file, as a stable phrase; undefined when it can. */
export const whyUnreadable = (path: string): string | undefined => {
  try {
    if (statSync(path).isDirectory()) return "is a directory";
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return describeFileError(error);
  }
};

/** A file system error as a phrase that never depends on its message text. */
export const describeFileError = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  if (code === "ENOENT" || code === "ENOTDIR") return "does not exist";
  if (code === "EACCES" || code === "EPERM") return "cannot be read (permission denied)";
  return `cannot be read (${code})`;
};

/** The bytes of a file that `whyUnreadable` has passed, or a fault phrase if it vanished since. */
export const readChecked = (path: string): { ok: true; bytes: Buffer } | { ok: false; message: string } => {
  try {
    return { ok: true, bytes: readFileSync(path) };
  } catch (error) {
    return { ok: false, message: describeFileError(error) };
  }
};

/** A reader of the variables in `table`. */
export const readVariables = <Name extends string>(
  env: Environment,
  table: Readonly<Record<Name, string | null>>,
): VariableReader<Name> => {
  const faults: ConfigFault[] = [];
  const faulty = new Set<string>();
  const fault = (name: Name, message: string): void => {
    faulty.add(name);
    faults.push({ name, message });
  };
  const raw = (name: Name): string | undefined => {
    const value = env[name]?.trim();
    return value === undefined || value === "" ? (table[name] ?? undefined) : value;
  };
  const checked = (name: Name, accept: (value: string) => boolean, expected: string): string | undefined => {
    const value = raw(name);
    if (value === undefined) return undefined;
    if (accept(value)) return value;
    fault(name, `must be ${expected}`);
    return undefined;
  };
  return {
    faults,
    fault,
    raw,
    text: (name, schema, expected) => checked(name, (value) => Value.Check(schema, value), expected),
    integer(name, minimum, maximum) {
      const schema = Type.Integer({ minimum, maximum });
      const accept = (value: string) => /^\d+$/.test(value) && Value.Check(schema, Number(value));
      const value = checked(name, accept, `a whole number from ${minimum} to ${maximum}`);
      return value === undefined ? undefined : Number(value);
    },
    boolean(name) {
      const value = raw(name)?.toLowerCase();
      if (value === undefined) return undefined;
      if (["true", "1", "yes"].includes(value)) return true;
      if (["false", "0", "no"].includes(value)) return false;
      fault(name, "must be true or false (or 1, 0, yes, no)");
      return undefined;
    },
    oneOf(name, choices) {
      const value = checked(name, (v) => choices.some((c) => c === v), `one of ${choices.join(", ")}`);
      return choices.find((choice) => choice === value);
    },
    file(name) {
      const path = raw(name);
      const why = path === undefined ? undefined : whyUnreadable(path);
      if (why === undefined) return path;
      fault(name, `${path} ${why}`);
      return undefined;
    },
    required(name, value) {
      if (value === undefined && !faulty.has(name)) fault(name, "is required");
      return value;
    },
  };
};

/** `value` frozen, with everything in it. */
export const deepFreeze = <T>(value: T): T => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
};
