// SPDX-License-Identifier: Apache-2.0
// Parses and validates what requests and answers carry, by their TypeBox schemas, and sends large answers in chunks; errors name
// the field, never its value.
import { Readable } from "node:stream";
import { PatternStringExact, type TSchema } from "@sinclair/typebox";
import { TypeCheck, TypeCompiler, type ValueError } from "@sinclair/typebox/compiler";
import { Value } from "@sinclair/typebox/value";
import type { FastifyRequest, FastifySchemaCompiler } from "fastify";
import type { FastifySerializerCompiler } from "fastify/types/schema.js";
import { checkWhenUsed, type SchemaCheck } from "../schema-check.ts";
import { ApiError, type ErrorDetail } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";
import { EVERY_KEY, withFastMaps } from "./map-checks.ts";

/** More faults than these are of no use to a caller. */
export const MAX_DETAILS = 20;
/** A field's name can be a key that the caller made up; it is cut. */
const MAX_FIELD = 200;

/**
 * Compiles a schema when it is first used. Type.Record's pattern for "any key" is a dot's, so a key with a line break would
 * escape it, and its value with it; here it is held to the schema as well. Errors are those of the schema; the check itself takes
 * short cuts.
 */
export const compileSchema = <T extends TSchema>(schema: T): SchemaCheck<T> =>
  checkWhenUsed(() => {
    const whole = withEveryKey(schema);
    const fast = TypeCompiler.Compile(withFastMaps(whole));
    return new TypeCheck(whole, [], (value) => fast.Check(value), fast.Code());
  });

const withEveryKey = <T>(schema: T): T => {
  if (typeof schema !== "object" || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(withEveryKey) as T;
  const copied = Reflect.ownKeys(schema).map((key) => {
    const value: unknown = Reflect.get(schema, key);
    return [
      key === PatternStringExact ? EVERY_KEY : key,
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

/**
 * Takes bodies of `mediaType` as JSON. JSON.parse makes `__proto__` a property like any other, and so do spread and
 * Object.fromEntries; assigning to a computed name and Object.assign would not. A route without a schema for its body
 * takes an empty one, whatever the caller calls it.
 */
export const parseJsonBodies = (app: KeyswitchServer, mediaType: string): void => {
  app.addContentTypeParser(
    mediaType,
    { parseAs: "string" },
    (request: FastifyRequest, body: string, done) => {
      if (body.length === 0 && request.routeOptions.schema?.body === undefined) return done(null, undefined);
      const parsed = parseJson(body);
      if (parsed.ok) done(null, parsed.value);
      else done(new ApiError("INVALID_JSON"), undefined);
    },
  );
};

/** A byte order mark before it is passed over. */
const parseJson = (body: string): { ok: true; value: unknown } | { ok: false } => {
  try {
    return { ok: true, value: JSON.parse(body.charCodeAt(0) === 0xfeff ? body.slice(1) : body) };
  } catch {
    return { ok: false };
  }
};

/** In UTF-16 code units. */
const CHUNK = 64 * 1024;

/** Has answers go out piece by piece, each when the one before is on its way. */
export const sendInChunks = (app: KeyswitchServer): void => {
  app.addHook("onSend", (_request, reply, payload, done) => {
    if (typeof payload !== "string" || payload.length <= CHUNK) return done();
    reply.header("content-length", Buffer.byteLength(payload));
    done(null, Readable.from(piecesOf(payload), { objectMode: false }));
  });
};

function* piecesOf(text: string): Generator<Buffer> {
  for (let at = 0; at < text.length; ) {
    // Not between the halves of a surrogate pair.
    const cut = at + CHUNK - (isHighSurrogate(text.charCodeAt(at + CHUNK - 1)) ? 1 : 0);
    yield Buffer.from(text.slice(at, cut));
    at = cut;
  }
}

const isHighSurrogate = (unit: number): boolean => (unit & 0xfc00) === 0xd800;

/** fastify's serializer compiler. */
export const compileSerializer: FastifySerializerCompiler<TSchema> = ({ schema }) => {
  const check = compileSchema(schema);
  return (data: unknown) => {
    if (!check.Check(data)) throw new TypeError("an answer does not fit its schema");
    return JSON.stringify(data);
  };
};

/** The tags of the header, for the weak comparison that it asks for (RFC 9110, section 13.1.2); `*` is one of them. */
export const tagsOf = (ifNoneMatch: string | undefined): string[] =>
  ifNoneMatch?.split(",").map((one) => one.trim().replace(/^W\//, "")) ?? [];
