// SPDX-License-Identifier: Apache-2.0
// Looks up a key in an object and ignores inherited properties such as `constructor`.

/** The value of `map` under `key`; undefined for `constructor` and its like, unless the map has such a key of its own. */
export const ownProperty = <T>(map: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;
