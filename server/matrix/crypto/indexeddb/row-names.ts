// SPDX-License-Identifier: Apache-2.0
// Names the rows that hold an IndexedDB in the bot's store: one for each record, and one or two for each object store's schema.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/**
 * A row is either the schema of a database, the last number that a store's key generator gave, or a record. A name is
 * JSON: it can be parsed, and equal keys have equal names.
 */
export type RowName =
  | { readonly kind: "schema"; readonly database: string }
  | { readonly kind: "generator"; readonly database: string; readonly store: string }
  | { readonly kind: "record"; readonly database: string; readonly store: string; readonly key: string };

const Name = Type.Union([
  Type.Tuple([Type.Literal("schema"), Type.String()]),
  Type.Tuple([Type.Literal("generator"), Type.String(), Type.String()]),
  Type.Tuple([Type.Literal("record"), Type.String(), Type.String(), Type.String()]),
]);

export const schemaRow = (database: string): string => JSON.stringify(["schema", database]);

export const generatorRow = (database: string, store: string): string =>
  JSON.stringify(["generator", database, store]);

export const recordRow = (database: string, store: string, key: unknown): string =>
  JSON.stringify(["record", database, store, keyText(key)]);

/** @throws Error when the row is none of ours. */
export const parseRowName = (text: string): RowName => {
  const name: unknown = JSON.parse(text);
  if (!Value.Check(Name, name)) throw new Error("the bot's store holds an IndexedDB row of an unknown kind");
  if (name[0] === "schema") return { kind: "schema", database: name[1] };
  if (name[0] === "generator") return { kind: "generator", database: name[1], store: name[2] };
  return { kind: "record", database: name[1], store: name[2], key: name[3] };
};

/**
 * A text that two keys share exactly when IndexedDB takes them for the same. Not v8.serialize: how that writes a string
 * depends on how the engine happens to hold it. https://w3c.github.io/IndexedDB/#key-construct
 */
export const keyText = (key: unknown): string => {
  if (typeof key === "string") return `s${JSON.stringify(key)}`;
  if (typeof key === "number") return `n${key === 0 ? 0 : key}`;
  if (key instanceof Date) return `d${key.getTime()}`;
  if (key instanceof ArrayBuffer) return `b${Buffer.from(key).toString("hex")}`;
  if (ArrayBuffer.isView(key)) {
    return `b${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("hex")}`;
  }
  if (Array.isArray(key)) return `[${key.map(keyText).join(",")}]`;
  throw new Error("not a key of IndexedDB");
};
