// SPDX-License-Identifier: Apache-2.0
// Maps from outside: looks up only what a map itself holds, and puts it in order, so that the same content gives the same bytes.

/** The value of `map` under `key`; undefined for `constructor` and its like, unless the map has such a key of its own. */
export const ownProperty = <T>(map: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;

/** The entries of `map` by key. */
export const sortedEntries = <T>(map: Readonly<Record<string, T>>): [string, T][] =>
  Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));

/** `map` with its keys in order. */
export const sorted = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(sortedEntries(map));
