// SPDX-License-Identifier: Apache-2.0
// Lists names that every plain object inherits, and that Kubernetes, files and tokens may use as keys of their own.

export const INHERITED_NAMES = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "isPrototypeOf",
] as const;

/** A map that has each of them as a name of its own, and nothing else. */
export const inheritedNames = <T>(value: (name: string) => T): Record<string, T> =>
  Object.fromEntries(INHERITED_NAMES.map((name) => [name, value(name)]));
