// SPDX-License-Identifier: Apache-2.0
// Fills in a schema's defaults, as CustomResourceDefinitions do: only below values that are there.
import { copy, isObject, type Json, type JsonObject } from "../json.ts";
import type { Schema } from "./schema.ts";

/** Sets the defaults of absent fields, in place; a null in a field that is not nullable and has a default counts as absent. */
export const applyDefaults = (value: Json | undefined, schema: Schema): void => {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) for (const item of value) applyDefaults(item, items);
    return;
  }
  if (isObject(value)) setFieldDefaults(value, schema);
};

const setFieldDefaults = (object: JsonObject, { properties = {}, additionalProperties }: Schema): void => {
  for (const [name, property] of Object.entries(properties)) {
    const current = object[name];
    const absent = current === undefined || (current === null && !property.nullable);
    if (absent && property.default !== undefined) object[name] = copy(property.default);
    applyDefaults(object[name], property);
  }
  if (typeof additionalProperties !== "object") return;
  for (const [name, item] of Object.entries(object)) {
    if (!properties[name]) applyDefaults(item, additionalProperties);
  }
};
