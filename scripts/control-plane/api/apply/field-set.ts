// SPDX-License-Identifier: Apache-2.0
// Sets of field paths, and their FieldsV1 form in metadata.managedFields.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
import { isObject, type Json, type JsonObject } from "../json.ts";

/** A node of the tree of paths: a member itself, or only on the way to members. Keys are FieldsV1's: `f:`, `k:`, `v:`. */
export type FieldSet = { member: boolean; children: Map<string, FieldSet> };

export const emptySet = (): FieldSet => ({ member: false, children: new Map() });

export const isEmpty = (set: FieldSet): boolean => !set.member && [...set.children.values()].every(isEmpty);

/** Adds one path, in place. */
export const insert = (set: FieldSet, path: readonly string[]): void => {
  let node = set;
  for (const key of path) {
    const next = node.children.get(key) ?? emptySet();
    node.children.set(key, next);
    node = next;
  }
  node.member = true;
};

type Choose = (a: boolean, b: boolean) => boolean;

const combine = (a: FieldSet | undefined, b: FieldSet | undefined, choose: Choose): FieldSet => {
  const result: FieldSet = { member: choose(a?.member === true, b?.member === true), children: new Map() };
  for (const key of new Set([...(a?.children.keys() ?? []), ...(b?.children.keys() ?? [])])) {
    const child = combine(a?.children.get(key), b?.children.get(key), choose);
    if (!isEmpty(child)) result.children.set(key, child);
  }
  return result;
};

export const union = (...sets: FieldSet[]): FieldSet =>
  sets.reduce((a, b) => combine(a, b, (inA, inB) => inA || inB), emptySet());

export const difference = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (inA, inB) => inA && !inB);

export const intersection = (a: FieldSet, b: FieldSet): FieldSet => combine(a, b, (inA, inB) => inA && inB);

/** True where every member of `a` is one of `b`. */
export const isWithin = (a: FieldSet, b: FieldSet): boolean => isEmpty(difference(a, b));

/** Without the members of `b` and everything below them. */
export const withoutBelow = (a: FieldSet, b: FieldSet): FieldSet => {
  const result: FieldSet = { member: a.member && !b.member, children: new Map() };
  for (const [key, child] of a.children) {
    const removed = b.children.get(key);
    if (removed?.member) continue;
    const kept = removed ? withoutBelow(child, removed) : child;
    if (!isEmpty(kept)) result.children.set(key, kept);
  }
  return result;
};

export const sameSet = (a: FieldSet, b: FieldSet): boolean =>
  isEmpty(combine(a, b, (inA, inB) => inA !== inB));

/** Every member as a path. */
export const paths = (set: FieldSet, prefix: string[] = []): string[][] => {
  const found = set.member ? [prefix] : [];
  for (const [key, child] of set.children) found.push(...paths(child, [...prefix, key]));
  return found;
};

/** The FieldsV1 form: `.` marks a member that has members below it. */
export const toFieldsV1 = (set: FieldSet): JsonObject => {
  const result: JsonObject = {};
  if (set.member && set.children.size > 0) result["."] = {};
  for (const key of [...set.children.keys()].sort()) {
    const child = set.children.get(key);
    if (child) result[key] = toFieldsV1(child);
  }
  return result;
};

export const fromFieldsV1 = (fields: Json | undefined): FieldSet => {
  const set = emptySet();
  if (!isObject(fields)) return set;
  for (const [key, below] of Object.entries(fields)) {
    if (key === ".") set.member = true;
    else if (/^[fkvi]:/.test(key)) {
      const child = fromFieldsV1(below);
      if (isObject(below) && Object.keys(below).length === 0) child.member = true;
      set.children.set(key, child);
    }
  }
  return set;
};

/** A path as messages show it: `.spec.containers[name="x"].image`. */
export const pathText = (path: readonly string[]): string =>
  path
    .map((key) => {
      const text = key.slice(2);
      if (key.startsWith("f:")) return `.${text}`;
      if (key.startsWith("v:")) return `[=${text}]`;
      return `[${text.slice(1, -1).replaceAll(/"([^"]+)":/g, "$1=")}]`;
    })
    .join("");
