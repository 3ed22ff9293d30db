// SPDX-License-Identifier: Apache-2.0
// Defines tables of environment variables: type, default, description, and whether a value is secret.
import { type Static, type TSchema, type TUnsafe, Type } from "@sinclair/typebox";

/** What the constructors below are told. */
type Notes<Default> = {
  /** The row of docs/configuration.md, in Markdown. */
  readonly description: string;
  readonly default?: Default;
  /** To read it unset is a fault. */
  readonly required?: true;
};

/** One variable: the schema of its value, with notes beside `default` and `description`. */
export type Variable<T> = TUnsafe<T> & {
  readonly description: string;
  /** Completes "must be …". */
  readonly expected: string;
  readonly required?: true;
  /** Its value is in no log. */
  readonly secret?: true;
  /** The value is the path of a file, which has to be readable, or `later` may be there. */
  readonly file?: true | "later";
  /** Another name, which counts where this one is unset. */
  readonly alias?: string;
  /** The text counts in any case. */
  readonly anyCase?: true;
};

/** The variables of a role, in the order in which docs/configuration.md has them. */
export type VariableTable = Readonly<Record<string, Variable<unknown>>>;

/** Name → type of the value. */
export type ValuesOf<Table extends VariableTable> = { [Name in keyof Table]: Static<Table[Name]> };

const variable = <T>(schema: TSchema, notes: Pick<Variable<T>, "description" | "expected">): Variable<T> => ({
  ...Type.Unsafe<T>(schema),
  ...notes,
});

type TextNotes = Notes<string> & { readonly secret?: true; readonly alias?: string };

/** Text of any shape: who reads it looks closer. */
export const text = (notes: TextNotes): Variable<string> =>
  variable(Type.String(), { expected: "text", ...notes });

/** Text within limits. `expected` completes "must be …". */
export const pattern = (
  limits: { readonly pattern?: string; readonly minLength?: number; readonly maxLength?: number },
  expected: string,
  notes: TextNotes,
): Variable<string> => variable(Type.String(limits), { expected, ...notes });

/** A whole number in decimal digits. */
export const integer = (minimum: number, maximum: number, notes: Notes<number>): Variable<number> =>
  variable(Type.Integer({ minimum, maximum }), {
    expected: `a whole number from ${minimum} to ${maximum}`,
    ...notes,
  });

/** `true`, `1`, `yes`, `false`, `0` or `no`, in any case. */
export const boolean = (notes: Notes<boolean>): Variable<boolean> =>
  variable(Type.Boolean(), { expected: "true or false (or 1, 0, yes, no)", ...notes });

/** One of a few words. */
export const choice = <const T extends string>(
  choices: readonly T[],
  notes: Notes<NoInfer<T>> & { readonly anyCase?: true },
): Variable<T> =>
  variable(Type.Union(choices.map((word) => Type.Literal(word))), {
    expected: `one of ${choices.join(", ")}`,
    ...notes,
  });

/** The path of a file that exists and can be read. */
export const file = (notes: Notes<never>): Variable<string> => {
  const note = { expected: "the path of a file", file: true, ...notes } as const;
  return variable(Type.String(), note);
};

/** The absolute path of a file that need not be there. */
export const laterFile = (notes: Notes<never>): Variable<string> => {
  const note = { expected: "an absolute path", file: "later", ...notes } as const;
  return variable(Type.String({ pattern: "^/" }), note);
};

/** The default as it would stand in the environment; null where there is none. */
export const defaultOf = ({ default: value }: Variable<unknown>): string | null =>
  value === undefined ? null : String(value);

/** What the environment says; undefined where it says nothing. */
export const ownText = (
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  { alias }: Variable<unknown>,
): string | undefined =>
  env[name]?.trim() || (alias === undefined ? undefined : env[alias]?.trim()) || undefined;
