// SPDX-License-Identifier: Apache-2.0
// The index from paths to the token's objects, so that the cost of a read does not grow with the token.
import { listedPathOf, type ObjectName, pathsOf } from "../storage/secret.ts";

/** One data object of the token: its name, and the handle that the module knows it by. */
export type IndexedObject = ObjectName & { handle: Buffer };

export type LabelIndex = {
  /** The objects that reading `path` needs. Empty: nothing on the token belongs to it. */
  objectsOf(path: string): readonly IndexedObject[];
  /** The paths that a list has to look at, sorted, whose text starts with `prefix`. */
  paths(prefix: string): string[];
  /** How many data objects there are, of whatever layout. */
  readonly size: number;
};

/** The index of `objects`, in time proportional to their number. */
export const indexLabels = (objects: readonly IndexedObject[]): LabelIndex => {
  const byPath = new Map<string, IndexedObject[]>();
  const listed = new Set<string>();
  for (const object of objects) {
    for (const path of pathsOf(object)) {
      const beside = byPath.get(path);
      if (beside === undefined) byPath.set(path, [object]);
      else beside.push(object);
    }
    const path = listedPathOf(object);
    if (path !== undefined) listed.add(path);
  }
  const sorted = [...listed].sort();
  return {
    objectsOf: (path) => byPath.get(path) ?? [],
    paths: (prefix) => sorted.filter((path) => path.startsWith(prefix)),
    size: objects.length,
  };
};
