// SPDX-License-Identifier: Apache-2.0
// Removes fields that a structural schema does not name.
import { isObject, type Json, type JsonObject } from "../json.ts";
import type { Schema } from "./schema.ts";

const typeFields = new Set(["apiVersion", "kind", "metadata"]);

/** Removes unknown fields in place and answers their paths. `isRoot` keeps the object's type and metadata. */
export const prune = (value: Json | undefined, schema: Schema, isRoot: boolean, path = ""): string[] => {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (!items) return [];
    return value.flatMap((item, index) => prune(item, items, false, `${path}[${index}]`));
  }
  return isObject(value) ? pruneFields(value, schema, isRoot, path) : [];
};

const pruneFields = (object: JsonObject, schema: Schema, isRoot: boolean, path: string): string[] => {
  const unknown: string[] = [];
  const keepsType = isRoot || schema["x-kubernetes-embedded-resource"] === true;
  const { additionalProperties } = schema;
  const keepsUnknown =
    additionalProperties === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  for (const name of Object.keys(object)) {
    if (keepsType && typeFields.has(name)) continue;
    const below = path === "" ? name : `${path}.${name}`;
    const known =
      schema.properties?.[name] ??
      (typeof additionalProperties === "object" ? additionalProperties : undefined);
    if (known) unknown.push(...prune(object[name], known, false, below));
    else if (!keepsUnknown) {
      unknown.push(below);
      delete object[name];
    }
  }
  return unknown;
};
