// SPDX-License-Identifier: Apache-2.0
// Defines JSON values: types, equality, copies, and a schema for what arrives as bytes.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { jsonOf } from "../../../server/json.ts";

export type Json = null | boolean | number | string | Json[] | JsonObject;
/** A JSON object; a key whose value is undefined counts as absent. */
export type JsonObject = { [key: string]: Json | undefined };

const ParsedObject = Type.Record(Type.String(), Type.Unknown());
const ParsedArray = Type.Array(Type.Unknown());

/** True for a JSON object, false for null, arrays and scalars. */
export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The value when it is an object, otherwise an empty one. */
export const objectOrEmpty = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});

/** The value when it is a list, otherwise an empty one. */
export const listOrEmpty = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);

/** The value when it is a string. */
export const stringOf = (value: Json | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;

/** The value when it is a number. */
export const numberOf = (value: Json | undefined): number | undefined =>
  typeof value === "number" ? value : undefined;

/** A deep copy without keys whose value is undefined. */
export const copy = <T extends Json | undefined>(value: T): T => structuredClone(value);

/** Deep equality; the order of keys and keys with undefined do not count. */
export const equal = (a: Json | undefined, b: Json | undefined): boolean => {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) if (!equal(a[key], b[key])) return false;
  return true;
};

/** The value at a path of keys, or undefined. */
export const valueAt = (value: Json | undefined, path: readonly string[]): Json | undefined => {
  let current = value;
  for (const key of path) {
    if (!isObject(current)) return undefined;
    current = current[key];
  }
  return current;
};

/** Sets the value at a path of keys and makes the objects on the way. */
export const setAt = (target: JsonObject, path: readonly string[], value: Json | undefined): void => {
  let current = target;
  path.forEach((key, index) => {
    if (index === path.length - 1) {
      if (value === undefined) delete current[key];
      else current[key] = value;
      return;
    }
    const next = current[key];
    if (isObject(next)) current = next;
    else {
      const made: JsonObject = {};
      current[key] = made;
      current = made;
    }
  });
};

/** JSON with its keys in order, so that equal values give equal text. */
export const canonical = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const parts: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const item = value[key];
    if (item !== undefined) parts.push(`${JSON.stringify(key)}:${canonical(item)}`);
  }
  return `{${parts.join(",")}}`;
};

/** Narrows a parsed document to Json; dates, functions and other non-JSON values become their JSON form or fail. */
export const toJson = (value: unknown): Json => {
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean" || typeof value === "number" || typeof value === "string") return value;
  if (typeof value === "bigint") return Number(value);
  if (Value.Check(ParsedArray, value)) return value.map(toJson);
  if (Value.Check(ParsedObject, value)) return toJsonObject(value);
  throw new TypeError(`not a JSON value: ${typeof value}`);
};

const toJsonObject = (value: Static<typeof ParsedObject>): JsonObject => {
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) if (item !== undefined) result[key] = toJson(item);
  return result;
};

/** The value of a JSON text; undefined for what is none. */
export const parsedJson = (text: string): Json | undefined => {
  const value = jsonOf(text);
  return value === undefined ? undefined : toJson(value);
};
