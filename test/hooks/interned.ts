// SPDX-License-Identifier: Apache-2.0
// Interns parts of a model check's states as numbers: states share most of their parts, and each part is serialized once.

const ids = new Map<string, number>();
const known = new WeakMap<object, number>();

/** A number that equal texts share, and no others. */
export const idOfText = (text: string): number => {
  const id = ids.get(text) ?? ids.size;
  if (id === ids.size) ids.set(text, id);
  return id;
};

/** A number that objects share for which `textOf` says the same. The same object must always come with the same `textOf`. */
export const idOf = <T extends object>(part: T, textOf: (part: T) => string): number => {
  const before = known.get(part);
  if (before !== undefined) return before;
  const id = idOfText(textOf(part));
  known.set(part, id);
  return id;
};
