// SPDX-License-Identifier: Apache-2.0
// The index from paths to the token's objects, so that the cost of a read does not grow with the token.
import { JOURNAL_APPLICATION, PACKED_APPLICATION } from "../../storage/path.ts";
import { listedPathOf, type ObjectName, pathsOf } from "../../storage/secret.ts";

/** One data object of the token: its name, whether that has to be repaired, and the handle that the module knows it by. */
export type IndexedObject = ObjectName & { handle: Buffer; damaged?: boolean };

export type LabelIndex = {
  /** The objects that reading `path` needs. Empty: nothing on the token belongs to it. */
  objectsOf(path: string): readonly IndexedObject[];
  /** The paths that a list has to look at, sorted, whose text starts with `prefix`. */
  paths(prefix: string): string[];
  /** Every path that an object belongs to, whether a list shows it or not. */
  allPaths(): string[];
  /** The path that a list shows an object under. */
  isListed(path: string): boolean;
  /** All objects. */
  objects(): IndexedObject[];
  /** The paths at which a cut write may have left something: a private journal stands there, or several packed objects. */
  unsettled(): string[];
  has(handle: Buffer): boolean;
  add(object: IndexedObject): void;
  remove(handle: Buffer): void;
  /** The handles of all objects. */
  handles(): Buffer[];
  /** How many data objects there are, of whatever layout. */
  readonly size: number;
};

/** A handle as the key of a Map or Set. */
export const handleKey = (handle: Buffer): string => handle.toString("latin1");

/** The index of `objects`, in time proportional to their number. */
export const indexLabels = (objects: readonly IndexedObject[]): LabelIndex => {
  const byHandle = new Map<string, IndexedObject>();
  const byPath = new Map<string, IndexedObject[]>();
  /** How many objects have a list show the path. */
  const listed = new Map<string, number>();
  let sorted: string[] | undefined;

  const count = (object: IndexedObject, by: 1 | -1): void => {
    const path = listedPathOf(object);
    if (path === undefined) return;
    const next = (listed.get(path) ?? 0) + by;
    if (next === 0) listed.delete(path);
    else listed.set(path, next);
    if (next === 0 || (by === 1 && next === 1)) sorted = undefined;
  };

  const remove = (handle: Buffer): void => {
    const object = byHandle.get(handleKey(handle));
    if (object === undefined) return;
    byHandle.delete(handleKey(handle));
    for (const path of pathsOf(object)) {
      const others = (byPath.get(path) ?? []).filter((other) => other !== object);
      if (others.length > 0) byPath.set(path, others);
      else byPath.delete(path);
    }
    count(object, -1);
  };

  const add = (object: IndexedObject): void => {
    remove(object.handle);
    byHandle.set(handleKey(object.handle), object);
    for (const path of pathsOf(object)) {
      const beside = byPath.get(path);
      if (beside === undefined) byPath.set(path, [object]);
      else beside.push(object);
    }
    count(object, 1);
  };

  for (const object of objects) add(object);
  return {
    objectsOf: (path) => byPath.get(path) ?? [],
    paths: (prefix) => {
      sorted ??= [...listed.keys()].sort();
      return sorted.filter((path) => path.startsWith(prefix));
    },
    allPaths: () => [...byPath.keys()],
    isListed: (path) => listed.has(path),
    objects: () => [...byHandle.values()],
    unsettled: () =>
      [...byPath]
        .map(([path, there]) => [path, there.filter(({ isPublic = false }) => !isPublic)] as const)
        .filter(
          ([path, there]) =>
            there.some(({ application }) => application === JOURNAL_APPLICATION) ||
            there.filter(({ application, label }) => application === PACKED_APPLICATION && label === path)
              .length > 1,
        )
        .map(([path]) => path)
        .sort(),
    has: (handle) => byHandle.has(handleKey(handle)),
    add,
    remove,
    handles: () => [...byHandle.values()].map(({ handle }) => handle),
    get size() {
      return byHandle.size;
    },
  };
};
