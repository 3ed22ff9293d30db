// SPDX-License-Identifier: Apache-2.0
// Compiles a schema's check when it is first used: all that a process may come to check takes as long to compile as much of its start.
import type { Static, TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";

/** Says whether a value fits a schema, and where it does not. */
export type SchemaCheck<T extends TSchema> = Pick<TypeCheck<T>, "Errors"> & {
  Check(value: unknown): value is Static<T>;
};

/** The check that `compile` answers, which is called once, at the first use. */
export const checkWhenUsed = <T extends TSchema>(compile: () => TypeCheck<T>): SchemaCheck<T> => {
  let compiled: TypeCheck<T> | undefined;
  const check = (): TypeCheck<T> => {
    compiled ??= compile();
    return compiled;
  };
  return {
    Check: (value): value is Static<T> => check().Check(value),
    Errors: (value) => check().Errors(value),
  };
};

/** The check of the schema that `schemaOf` answers, which is called once, at the first use. */
export const schemaCheck = <T extends TSchema>(schemaOf: () => T): SchemaCheck<T> =>
  checkWhenUsed(() => TypeCompiler.Compile(schemaOf()));
