// SPDX-License-Identifier: Apache-2.0
// A short notation for the schemas of built-in kinds, read into structural schemas.
import { type Json, toJson } from "../json.ts";
import type { Schema } from "../schema/schema.ts";

/**
 * Field types: `string int number bool bytes time quantity intOrString any`, `map<T>` (entries have owners),
 * `atomicMap<T>`, the name of another struct. Suffixes: `[]` atomic list, `[set]`, `[key,key]` list keyed by
 * these fields (the first is the key of strategic merge patches), `[key+retainKeys]`. Prefix `&`: a Go pointer,
 * so that setting it is itself an owned change. Prefix `%`: strategic merge patches name the keys to retain. Then `!` for required and ` = <json>` for a default.
 */
type FieldNotation = string;
type Struct = {
  /** Fields by name. */
  fields: { [name: string]: FieldNotation };
  /** One owner for the whole struct. */
  atomic?: boolean;
  description?: string;
};
export type Structs = { [name: string]: Struct };

const scalars: { [name: string]: Schema } = {
  string: { type: "string" },
  int: { type: "integer" },
  number: { type: "number" },
  bool: { type: "boolean" },
  bytes: { type: "string", format: "byte" },
  time: { type: "string", format: "date-time" },
  quantity: { "x-kubernetes-int-or-string": true },
  intOrString: { "x-kubernetes-int-or-string": true },
  any: { "x-kubernetes-preserve-unknown-fields": true },
};

/** Builds the schema of a struct; the structs it names are looked up in `structs`. */
export const structSchema = (structs: Structs, name: string): Schema => {
  const struct = structs[name];
  if (!struct) throw new Error(`no struct named ${name}`);
  const properties: { [name: string]: Schema } = {};
  const required: string[] = [];
  for (const [field, notation] of Object.entries(struct.fields)) {
    const parsed = fieldSchema(structs, notation);
    properties[field] = parsed.schema;
    if (parsed.required) required.push(field);
  }
  return {
    type: "object",
    properties,
    "x-definition": name,
    ...(required.length > 0 ? { required } : {}),
    ...(struct.atomic ? { "x-kubernetes-map-type": "atomic" } : {}),
    ...(struct.description ? { description: struct.description } : {}),
  };
};

const fieldSchema = (structs: Structs, notation: string): { schema: Schema; required: boolean } => {
  const [head = "", ...rest] = notation.split(" = ");
  const required = head.endsWith("!");
  const schema = typeSchema(structs, required ? head.slice(0, -1) : head);
  const text = rest.join(" = ");
  if (text === "") return { schema, required };
  const fallback: Json = toJson(JSON.parse(text));
  return { schema: { ...schema, default: fallback }, required };
};

const typeSchema = (structs: Structs, text: string): Schema => {
  if (text.startsWith("&")) return { ...typeSchema(structs, text.slice(1)), "x-pointer": true };
  if (text.startsWith("%")) {
    return { ...typeSchema(structs, text.slice(1)), "x-kubernetes-patch-strategy": "retainKeys" };
  }
  const list = /^(.*)\[([^\]]*)\]$/.exec(text);
  if (list) return listSchema(typeSchema(structs, list[1] ?? ""), list[2] ?? "");
  const map = /^(map|atomicMap)<(.*)>$/.exec(text);
  if (map) {
    const additionalProperties = typeSchema(structs, map[2] ?? "");
    return {
      type: "object",
      "x-pointer": true,
      additionalProperties,
      ...(map[1] === "atomicMap" ? { "x-kubernetes-map-type": "atomic" } : {}),
    };
  }
  const scalar = scalars[text];
  return scalar ? { ...scalar } : structSchema(structs, text);
};

const listSchema = (items: Schema, options: string): Schema => {
  const list: Schema = { type: "array", items };
  if (options === "") return { ...list, "x-kubernetes-list-type": "atomic" };
  if (options === "set") {
    return { ...list, "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge" };
  }
  const [keyText = "", strategy] = options.split("+");
  const keys = keyText.split(",");
  return {
    ...list,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": keys,
    "x-kubernetes-patch-strategy": strategy ? `merge,${strategy}` : "merge",
    "x-kubernetes-patch-merge-key": keys[0] ?? "name",
  };
};
