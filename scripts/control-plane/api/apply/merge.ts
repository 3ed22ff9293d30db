// SPDX-License-Identifier: Apache-2.0
// Merges an applied configuration into an object, and removes fields that are no longer applied.
import { copy, isObject, type Json } from "../json.ts";
import type { Schema } from "../schema/schema.ts";
import { assemble, type Part, partsOf, shapeOf } from "./field-node.ts";
import { type FieldSet, isEmpty } from "./field-set.ts";

/** The live value with the applied one merged in. */
export const mergeApplied = (live: Json | undefined, applied: Json, schema: Schema): Json => {
  const shape = shapeOf(applied, schema);
  if (live === undefined || shape === "leaf" || shapeOf(live, schema) !== shape) return copy(applied);
  const old = partsOf(live, schema);
  const now = partsOf(applied, schema);
  const merged = (part: Part): Part => {
    const before = old.find(({ key }) => key === part.key);
    return { ...part, value: mergeApplied(before?.value, part.value, part.schema) };
  };
  if (shape === "map") {
    const kept = old.filter(({ key }) => !now.some((part) => part.key === key));
    return assemble(shape, [...kept, ...now.map(merged)]);
  }
  return assemble(shape, interleave(old, now, merged));
};

/**
 * List items in the order of the applied list. Items that only the live list has keep their place before what
 * followed them; where both lists go on with items of their own, the live ones come first.
 */
const interleave = (old: Part[], now: Part[], merged: (part: Part) => Part): Part[] => {
  const result: Part[] = [];
  const applied = new Set(now.map(({ key }) => key));
  const live = new Set(old.map(({ key }) => key));
  let next = 0;
  now.forEach((part, index) => {
    const nextShared = now.slice(index).find(({ key }) => live.has(key))?.key;
    for (; next < old.length; next += 1) {
      const candidate = old[next];
      if (!candidate || candidate.key === nextShared) break;
      if (!applied.has(candidate.key)) result.push(candidate);
    }
    if (part.key === nextShared) next += 1;
    result.push(merged(part));
  });
  return [...result, ...old.slice(next).filter(({ key }) => !applied.has(key))];
};

/**
 * The value without what was applied before (`last`) and nobody owns any more. `kept` is what all managers own now.
 * Undefined where nothing is left.
 */
export const pruneUnowned = (
  value: Json,
  schema: Schema,
  last: FieldSet | undefined,
  kept: FieldSet | undefined,
): Json | undefined => {
  const owned = kept !== undefined && !isEmpty(kept);
  if (last?.member && !owned) return undefined;
  const shape = shapeOf(value, schema);
  if (!last || last.children.size === 0 || shape === "leaf") return value;
  const parts = partsOf(value, schema);
  const left: Part[] = [];
  for (const part of parts) {
    const pruned = pruneUnowned(
      part.value,
      part.schema,
      last.children.get(part.key),
      kept?.children.get(part.key),
    );
    if (pruned !== undefined) left.push({ ...part, value: pruned });
  }
  const isEmptied = left.length === 0 && parts.length > 0;
  const holdsPlace = kept?.member === true || isObject(value) === false;
  if (isEmptied && !holdsPlace) return undefined;
  if (isEmptied && Array.isArray(value) && kept?.member !== true) return undefined;
  return assemble(shape, left);
};
