// SPDX-License-Identifier: Apache-2.0
// Sorts a map by key, so that the same content always serializes to the same bytes.

/** The entries of `map` by key. */
export const sortedEntries = <T>(map: Readonly<Record<string, T>>): [string, T][] =>
  Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));

/** `map` with its keys in order. */
export const sorted = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(sortedEntries(map));
