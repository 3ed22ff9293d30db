// SPDX-License-Identifier: Apache-2.0
// Finds the objects that an interrupted write has left at a path, and which of them to remove.
import { type Settled, settle } from "./journal.ts";
import { supersededPacked } from "./packed.ts";
import type { TokenObject } from "./path.ts";

/** The objects that count, and beside them, in the order in which they are to go, those that a cut write left over. */
export const withoutLeftovers = <O extends TokenObject>(
  path: string,
  objects: readonly O[],
  unread = 0,
): Settled<O> => {
  const settled = settle(path, objects, unread);
  if (settled.kind === "invalid") return settled;
  const superseded = supersededPacked(path, settled.objects);
  return {
    ...settled,
    objects: settled.objects.filter((object) => !superseded.includes(object)),
    surplus: [...superseded, ...settled.surplus],
  };
};
