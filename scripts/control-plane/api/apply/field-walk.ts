// SPDX-License-Identifier: Apache-2.0
// Collects the fields that a value sets, and the fields in which two values differ.
import { equal, isObject, type Json } from "../json.ts";
import type { Schema } from "../schema/schema.ts";
import { isAlwaysPresent, type Part, partsOf, shapeOf } from "./field-node.ts";
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

/** Whether a field is owned as a whole on the sides where it is there, or has changed its shape. */
const isLeafChange = (before: Json | undefined, after: Json | undefined, schema: Schema): boolean => {
  const shapeBefore = shapeOf(before, schema);
  const shapeAfter = shapeOf(after, schema);
  if (before === undefined) return shapeAfter === "leaf";
  if (after === undefined) return shapeBefore === "leaf";
  return shapeBefore === "leaf" || shapeAfter === "leaf" || shapeBefore !== shapeAfter;
};

/** The set of `result` that a field which differs belongs to. */
const changeOf = (before: Json | undefined, after: Json | undefined, result: Comparison): FieldSet => {
  if (before === undefined) return result.added;
  return after === undefined ? result.removed : result.modified;
};

/** What stands for a part that is not there: an empty value where Go's struct always has one. */
const missingPart = ({ key, schema }: Part, parent: Schema): Json | undefined => {
  if (!isAlwaysPresent(parent, key.slice(2), schema)) return undefined;
  return schema.type === "array" ? [] : {};
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
  if (isLeafChange(before, after, schema)) {
    insert(changeOf(before, after, result), path);
    return;
  }
  const old = new Map(partsOf(before, schema).map((part) => [part.key, part]));
  const now = new Map(partsOf(after, schema).map((part) => [part.key, part]));
  for (const [key, part] of new Map([...old, ...now])) {
    const missing = missingPart(part, schema);
    const valueBefore = old.get(key)?.value ?? (before === undefined ? undefined : missing);
    const valueAfter = now.get(key)?.value ?? (after === undefined ? undefined : missing);
    walk(valueBefore, valueAfter, part.schema, [...path, key], result);
  }
  const isRoot = path.length === 0;
  const isKept = before !== undefined && after !== undefined;
  if (!isRoot && !isKept) insert(changeOf(before, after, result), path);
};
