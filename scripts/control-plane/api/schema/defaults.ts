// SPDX-License-Identifier: Apache-2.0
// Fills in a schema's defaults, as CustomResourceDefinitions do: only below values that are there.
import { copy, isObject, type Json } from "../json.ts";
import type { Schema } from "./schema.ts";

/** Sets the defaults of absent fields, in place; a null in a field that is not nullable and has a default counts as absent. */
export const applyDefaults = (value: Json | undefined, schema: Schema): void => {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) for (const item of value) applyDefaults(item, items);
    return;
  }
  if (!isObject(value)) return;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const current = value[name];
    const absent = current === undefined || (current === null && !property.nullable);
    if (absent && property.default !== undefined) value[name] = copy(property.default);
    applyDefaults(value[name], property);
  }
  const { additionalProperties } = schema;
  if (typeof additionalProperties === "object") {
    for (const [name, item] of Object.entries(value)) {
      if (!schema.properties?.[name]) applyDefaults(item, additionalProperties);
    }
  }
};
