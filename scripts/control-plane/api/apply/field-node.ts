// SPDX-License-Identifier: Apache-2.0
// Divides a value into the fields that can have different owners, as its schema says.
import { canonical, isObject, type Json, type JsonObject } from "../json.ts";
import type { Schema } from "../schema/schema.ts";

/** A part of a value: its FieldsV1 key, its value and its schema. */
export type Part = { key: string; value: Json; schema: Schema };
export type Shape = "leaf" | "map" | "set" | "keyed";

/** Whether a value is owned as a whole (leaf) or by its parts. */
export const shapeOf = (value: Json | undefined, schema: Schema): Shape => {
  if (isObject(value)) return schema["x-kubernetes-map-type"] === "atomic" ? "leaf" : "map";
  if (!Array.isArray(value)) return "leaf";
  const listType = schema["x-kubernetes-list-type"];
  if (listType === "set") return "set";
  if (listType === "map" && value.every(isObject)) return "keyed";
  return "leaf";
};

/** The schema of an object's field; an unknown one is free-form. */
export const fieldSchema = (schema: Schema, name: string): Schema => {
  const { additionalProperties } = schema;
  return schema.properties?.[name] ?? (typeof additionalProperties === "object" ? additionalProperties : {});
};

/** The FieldsV1 key of an item of a list keyed by fields; an absent key field counts with its default. */
const itemKey = (item: JsonObject, schema: Schema): string => {
  const identity: JsonObject = {};
  for (const key of schema["x-kubernetes-list-map-keys"] ?? []) {
    const value = item[key] ?? schema.items?.properties?.[key]?.default;
    if (value !== undefined) identity[key] = value;
  }
  return `k:${canonical(identity)}`;
};

/** The parts of a value that is not a leaf, in their order. */
export const partsOf = (value: Json | undefined, schema: Schema): Part[] => {
  if (isObject(value)) {
    const parts: Part[] = [];
    for (const [name, item] of Object.entries(value)) {
      if (item !== undefined) {
        parts.push({ key: `f:${name}`, value: item, schema: fieldSchema(schema, name) });
      }
    }
    return parts;
  }
  if (!Array.isArray(value)) return [];
  const items = schema.items ?? {};
  return value.map((item) => ({
    key: isObject(item) ? itemKey(item, schema) : `v:${canonical(item)}`,
    value: item,
    schema: items,
  }));
};

/** A value of the same shape made of other parts. */
export const assemble = (shape: Shape, parts: Part[]): Json => {
  if (shape !== "map") return parts.map((part) => part.value);
  return Object.fromEntries(parts.map((part) => [part.key.slice(2), part.value]));
};

/** A Go struct held by value: always there, so that setting a field in it does not set the struct itself. */
export const isAlwaysPresent = (parent: Schema, name: string, schema: Schema): boolean => {
  if (parent["x-definition"] === undefined) return false;
  if (schema.type === "array") return parent.required?.includes(name) === true;
  return schema["x-definition"] !== undefined && schema["x-pointer"] !== true;
};
