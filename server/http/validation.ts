// SPDX-License-Identifier: Apache-2.0
// Validates the parts of a request against their TypeBox schemas; errors name the field, never its value.
import { PatternStringExact, type TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler, type ValueError } from "@sinclair/typebox/compiler";
import { Value } from "@sinclair/typebox/value";
import type { FastifySchemaCompiler } from "fastify";
import { ApiError, type ErrorDetail } from "./errors.ts";

/** More faults than these are of no use to a caller. */
export const MAX_DETAILS = 20;
/** A field's name can be a key that the caller made up; it is cut. */
const MAX_FIELD = 200;

/**
 * Compiles a schema. Type.Record's pattern for "any key" is a dot's, so a key with a line break would escape it, and its
 * value with it; here it is held to the schema as well.
 */
export const compileSchema = <T extends TSchema>(schema: T): TypeCheck<T> =>
  TypeCompiler.Compile(withEveryKey(schema));

const withEveryKey = <T>(schema: T): T => {
  if (typeof schema !== "object" || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(withEveryKey) as T;
  const copied = Reflect.ownKeys(schema).map((key) => {
    const value: unknown = Reflect.get(schema, key);
    return [
      key === PatternStringExact ? "^[^]*$" : key,
      typeof key === "symbol" ? value : withEveryKey(value),
    ];
  });
  return Object.fromEntries(copied);
};

/** fastify's validator compiler. Text in the query and the path is converted to the schema's types; a body is not. */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = compileSchema(schema);
  return (value: unknown) => {
    const candidate =
      httpPart === "querystring" || httpPart === "params" ? Value.Convert(schema, value) : value;
    if (check.Check(candidate)) return { value: candidate };
    return {
      error: new ApiError("INVALID_REQUEST", {
        details: details(httpPart ?? "body", check.Errors(candidate)),
      }),
    };
  };
};

/** The first faults, one a field. */
export const details = (part: string, faults: Iterable<ValueError>): ErrorDetail[] => {
  const found = new Map<string, string>();
  for (const { path, message } of faults) {
    const field = fieldName(part, path);
    if (!found.has(field)) found.set(field, message);
    if (found.size === MAX_DETAILS) break;
  }
  return [...found].map(([field, message]) => ({ field, message }));
};

/** A JSON pointer as `body.parent.metadata.name` or `body.secrets[3].path`. */
const fieldName = (part: string, pointer: string): string =>
  shownField(
    `${part}${pointer
      .replace(/\/(\d+)(?=\/|$)/g, "[$1]")
      .replaceAll("/", ".")
      .replaceAll("~1", "/")
      .replaceAll("~0", "~")}`,
  );

/** A field's name without the characters that could upset a terminal or a log, and not longer than is of use. */
export const shownField = (name: string): string => name.replace(/[^\x20-\x7e]/g, "?").slice(0, MAX_FIELD);
