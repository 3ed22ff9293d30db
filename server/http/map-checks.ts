// SPDX-License-Identifier: Apache-2.0
// Checks maps of any key, as labels, annotations and a Secret's data are, without a pattern for each key: a hook's body has dozens.
import { Kind, type TSchema, TypeRegistry } from "@sinclair/typebox";

/** The pattern of a record whose keys may be anything, line breaks and all. */
export const EVERY_KEY = "^[^]*$";

const ANY_MAP = "keyswitch:any-map";
const TEXT_MAP = "keyswitch:text-map";

/** What TypeBox takes for a record. */
const isMap = (value: unknown): value is object =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Date) &&
  !(value instanceof Uint8Array);

TypeRegistry.Set(ANY_MAP, (_schema, value) => isMap(value));
TypeRegistry.Set(TEXT_MAP, (_schema, value) => {
  if (!isMap(value)) return false;
  for (const text of Object.values(value)) if (typeof text !== "string") return false;
  return true;
});

const isPlain = (schema: unknown, kind: string): boolean =>
  typeof schema === "object" &&
  schema !== null &&
  Reflect.get(schema, Kind) === kind &&
  Object.keys(schema).every((key) => key === "type" || key === "description");

/** The kind that stands for a record of any key with values of any kind, or with any text; undefined for another schema. */
const fastKindOf = (schema: object): string | undefined => {
  if (Reflect.get(schema, Kind) !== "Record") return undefined;
  const { type: _type, patternProperties, ...others } = schema as TSchema;
  if (Object.keys(others).length > 0 || Object.keys(patternProperties).join() !== EVERY_KEY) return undefined;
  const values: unknown = patternProperties[EVERY_KEY];
  if (isPlain(values, "Unknown")) return ANY_MAP;
  return isPlain(values, "String") ? TEXT_MAP : undefined;
};

/** `schema`, which says the same of every value, with such records as kinds of their own. Only for checks: it tells nothing of a fault. */
export const withFastMaps = <T>(schema: T): T => {
  if (typeof schema !== "object" || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(withFastMaps) as T;
  const kind = fastKindOf(schema);
  const copied = Reflect.ownKeys(schema).map((key) => {
    const value: unknown = Reflect.get(schema, key);
    if (key === Kind && kind !== undefined) return [key, kind];
    return [key, typeof key === "symbol" ? value : withFastMaps(value)];
  });
  return Object.fromEntries(copied);
};
