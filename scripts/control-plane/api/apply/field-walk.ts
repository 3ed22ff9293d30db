// SPDX-License-Identifier: Apache-2.0
// The fields that a value sets, and the fields in which two values differ.
import { equal, isObject, type Json } from "../json.ts";
import type { Schema } from "../schema/schema.ts";
import { isAlwaysPresent, partsOf, shapeOf } from "./field-node.ts";
import { emptySet, type FieldSet, insert } from "./field-set.ts";

/** Every field that an applied value sets. */
export const fieldsOf = (value: Json, schema: Schema): FieldSet => {
  const set = emptySet();
  collect(value, schema, [], set);
  return set;
};

const collect = (value: Json, schema: Schema, path: string[], set: FieldSet): void => {
  const shape = shapeOf(value, schema);
  if (shape === "leaf") {
    insert(set, path);
    return;
  }
  for (const part of partsOf(value, schema)) {
    const below = [...path, part.key];
    collect(part.value, part.schema, below, set);
    const isStructField = shape === "map" && schema.properties?.[part.key.slice(2)] !== undefined;
    const isEmptyObject = isObject(part.value) && Object.keys(part.value).length === 0;
    if (!isStructField || isEmptyObject) insert(set, below);
  }
};

export type Comparison = { added: FieldSet; modified: FieldSet; removed: FieldSet };

/** The fields that were added, modified and removed between two values. */
export const compare = (before: Json | undefined, after: Json | undefined, schema: Schema): Comparison => {
  const result: Comparison = { added: emptySet(), modified: emptySet(), removed: emptySet() };
  walk(before, after, schema, [], result);
  return result;
};

const walk = (
  before: Json | undefined,
  after: Json | undefined,
  schema: Schema,
  path: string[],
  result: Comparison,
): void => {
  if (before === undefined && after === undefined) return;
  if (before !== undefined && after !== undefined && equal(before, after)) return;
  const shapeBefore = shapeOf(before, schema);
  const shapeAfter = shapeOf(after, schema);
  const isLeaf =
    before === undefined
      ? shapeAfter === "leaf"
      : after === undefined
        ? shapeBefore === "leaf"
        : shapeBefore === "leaf" || shapeAfter === "leaf" || shapeBefore !== shapeAfter;
  if (isLeaf) {
    if (before === undefined) insert(result.added, path);
    else if (after === undefined) insert(result.removed, path);
    else insert(result.modified, path);
    return;
  }
  const old = new Map(partsOf(before, schema).map((part) => [part.key, part]));
  const now = new Map(partsOf(after, schema).map((part) => [part.key, part]));
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const part = now.get(key) ?? old.get(key);
    if (!part) continue;
    const missing = isAlwaysPresent(schema, key.slice(2), part.schema)
      ? part.schema.type === "array"
        ? []
        : {}
      : undefined;
    const valueBefore = old.get(key)?.value ?? (before === undefined ? undefined : missing);
    const valueAfter = now.get(key)?.value ?? (after === undefined ? undefined : missing);
    walk(valueBefore, valueAfter, part.schema, [...path, key], result);
  }
  if (path.length === 0) return;
  if (before === undefined) insert(result.added, path);
  else if (after === undefined) insert(result.removed, path);
};
