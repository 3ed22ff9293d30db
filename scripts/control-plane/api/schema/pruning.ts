// SPDX-License-Identifier: Apache-2.0
// Removes fields that a structural schema does not name.
import { isObject, type Json } from "../json.ts";
import type { Schema } from "./schema.ts";

const typeFields = new Set(["apiVersion", "kind", "metadata"]);

/** Removes unknown fields in place and answers their paths. `isRoot` keeps the object's type and metadata. */
export const prune = (value: Json | undefined, schema: Schema, isRoot: boolean, path = ""): string[] => {
  const unknown: string[] = [];
  if (Array.isArray(value)) {
    const { items } = schema;
    for (const [index, item] of value.entries()) {
      if (items) unknown.push(...prune(item, items, false, `${path}[${index}]`));
    }
    return unknown;
  }
  if (!isObject(value)) return unknown;
  const keepsType = isRoot || schema["x-kubernetes-embedded-resource"] === true;
  const { additionalProperties } = schema;
  for (const name of Object.keys(value)) {
    const below = path === "" ? name : `${path}.${name}`;
    const property = schema.properties?.[name];
    if (keepsType && typeFields.has(name)) continue;
    if (property) unknown.push(...prune(value[name], property, false, below));
    else if (typeof additionalProperties === "object") {
      unknown.push(...prune(value[name], additionalProperties, false, below));
    } else if (additionalProperties !== true && schema["x-kubernetes-preserve-unknown-fields"] !== true) {
      unknown.push(below);
      delete value[name];
    }
  }
  return unknown;
};
