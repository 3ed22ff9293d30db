// SPDX-License-Identifier: Apache-2.0
// Parses environment variables into checked values, and collects every error.
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { Kind } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { defaultOf, ownText, type Variable, type VariableTable } from "./variable-table.ts";

/** The environment as Node gives it. */
export type Environment = Record<string, string | undefined>;

/** One thing that is wrong with the configuration. `name` is the variable; the message holds no secret. */
export type ConfigFault = { name: string; message: string };

/** A whole configuration, frozen, or every fault of it. */
export type ConfigResult<T> = { ok: true; config: T } | { ok: false; faults: ConfigFault[] };

/** What a reader of one role's variables offers. `Values` is name → type of the value; an empty variable counts as unset. */
export type VariableReader<Values extends object> = {
  /**
   * The value or its default; undefined where there is neither, or where what is there is at fault, which is then reported,
   * once however often it is asked for. Only what is asked for is looked at.
   */
  value<Name extends keyof Values>(name: Name): Values[Name] | undefined;
  /** The same, and to have no value is a fault. */
  required<Name extends keyof Values>(name: Name): Values[Name] | undefined;
  /** The text as it stands in the environment, or the default's. */
  raw(name: keyof Values): string | undefined;
  /** Whether it stands in the environment. */
  isSet(name: keyof Values): boolean;
  fault(name: keyof Values, message: string): void;
  /** The environment that other programs may have: without the secrets of the table. */
  inheritable(): Environment;
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

/** One variable for each value. */
type TableOf<Values extends object> = { readonly [Name in keyof Values]: Variable<Values[Name]> };

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "yes"].map((word) => [word, true] as const),
  ...["false", "0", "no"].map((word) => [word, false] as const),
]);

/** The value that a text stands for by the kind of its variable. */
const spelled = (variable: Variable<unknown>, text: string): unknown => {
  const kind = variable[Kind];
  if (kind === "Boolean") return BOOLEANS.get(text.toLowerCase());
  if (kind === "Integer") return /^\d+$/.test(text) ? Number(text) : undefined;
  return variable.anyCase ? text.toUpperCase() : text;
};

const isOf = <T>(variable: Variable<T>, value: unknown): value is T => Value.Check(variable, value);

class TableReader<Values extends object> implements VariableReader<Values> {
  readonly faults: ConfigFault[] = [];
  readonly #env: Environment;
  readonly #table: TableOf<Values>;
  /** Those whose value has been found at fault. */
  readonly #refused = new Set<keyof Values>();

  constructor(env: Environment, table: TableOf<Values>) {
    this.#env = env;
    this.#table = table;
  }

  value<Name extends keyof Values>(name: Name): Values[Name] | undefined {
    const variable = this.#table[name];
    const raw = this.raw(name);
    if (raw === undefined) return variable.required ? this.#refuse(name, "is required") : undefined;
    const value = spelled(variable, raw);
    if (!isOf(variable, value)) return this.#refuse(name, `must be ${variable.expected}`);
    const why = variable.file === true ? whyUnreadable(raw) : undefined;
    return why === undefined ? value : this.#refuse(name, `${raw} ${why}`);
  }

  required<Name extends keyof Values>(name: Name): Values[Name] | undefined {
    return this.raw(name) === undefined ? this.#refuse(name, "is required") : this.value(name);
  }

  raw(name: keyof Values): string | undefined {
    return this.#own(name) ?? defaultOf(this.#table[name]) ?? undefined;
  }

  isSet(name: keyof Values): boolean {
    return this.#own(name) !== undefined;
  }

  fault(name: keyof Values, message: string): void {
    this.faults.push({ name: String(name), message });
  }

  inheritable(): Environment {
    const variables: VariableTable = this.#table;
    return Object.fromEntries(Object.entries(this.#env).filter(([name]) => !variables[name]?.secret));
  }

  #own(name: keyof Values): string | undefined {
    return ownText(this.#env, String(name), this.#table[name]);
  }

  #refuse(name: keyof Values, message: string): undefined {
    if (!this.#refused.has(name)) this.fault(name, message);
    this.#refused.add(name);
  }
}

/** A reader of the variables in `table`. */
export const readVariables = <Values extends object>(
  env: Environment,
  table: TableOf<Values>,
): VariableReader<Values> => new TableReader(env, table);

type Complete<T> = { [Name in keyof T]: Exclude<T[Name], undefined> };

const isComplete = <T extends object>(values: T): values is T & Complete<T> =>
  Object.values(values).every((value) => value !== undefined);

/** `values`, where all of them are there. */
export const complete = <T extends object>(values: T): Complete<T> | undefined =>
  isComplete(values) ? values : undefined;

/** Those of `values` that are there. */
export const present = <T extends object>(values: T): Partial<Complete<T>> => {
  const found: Partial<Complete<T>> = {};
  return Object.assign(
    found,
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
  );
};

/** `value` frozen, with everything in it. */
export const deepFreeze = <T>(value: T): T => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
};
