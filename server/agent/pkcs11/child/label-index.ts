// SPDX-License-Identifier: Apache-2.0
// Indexes the token's objects by path, so that the cost of a read does not grow with the token.
import { JOURNAL_APPLICATION, PACKED_APPLICATION } from "../../storage/path.ts";
import { listedPathOf, type ObjectName, pathsOf } from "../../storage/secret.ts";

/** One data object of the token: its name, whether that has to be repaired, and the handle that the module knows it by. */
export type IndexedObject = ObjectName & { handle: Buffer; damaged?: boolean };

/** A handle as the key of a Map or Set. */
export const handleKey = (handle: Buffer): string => handle.toString("latin1");

/** Whether a cut write may have left something where these objects stand: a private journal, or several packed objects. */
const isUnsettled = (path: string, objects: readonly IndexedObject[]): boolean => {
  const own = objects.filter(({ isPublic = false }) => !isPublic);
  const packed = own.filter(({ application, label }) => application === PACKED_APPLICATION && label === path);
  return packed.length > 1 || own.some(({ application }) => application === JOURNAL_APPLICATION);
};

/** The index of objects, built in time proportional to their number. */
export class LabelIndex {
  readonly #byHandle = new Map<string, IndexedObject>();
  readonly #byPath = new Map<string, IndexedObject[]>();
  /** How many objects have a list show the path. */
  readonly #listed = new Map<string, number>();
  /** The keys of #listed, until one comes or goes. */
  #sorted: string[] | undefined;

  constructor(objects: readonly IndexedObject[]) {
    for (const object of objects) this.add(object);
  }

  /** The objects that reading `path` needs. Empty: nothing on the token belongs to it. */
  objectsOf(path: string): readonly IndexedObject[] {
    return this.#byPath.get(path) ?? [];
  }

  /** The paths that a list has to look at, sorted, whose text starts with `prefix`. */
  paths(prefix: string): string[] {
    this.#sorted ??= [...this.#listed.keys()].sort();
    return this.#sorted.filter((path) => path.startsWith(prefix));
  }

  /** Every path that an object belongs to, whether a list shows it or not. */
  allPaths(): string[] {
    return [...this.#byPath.keys()];
  }

  /** Whether a list shows an object under the path. */
  isListed(path: string): boolean {
    return this.#listed.has(path);
  }

  /** All objects. */
  objects(): IndexedObject[] {
    return [...this.#byHandle.values()];
  }

  /** The paths at which a cut write may have left something, sorted. */
  unsettled(): string[] {
    return [...this.#byPath]
      .filter(([path, objects]) => isUnsettled(path, objects))
      .map(([path]) => path)
      .sort();
  }

  has(handle: Buffer): boolean {
    return this.#byHandle.has(handleKey(handle));
  }

  /** The object behind a handle. */
  get(handle: Buffer): IndexedObject | undefined {
    return this.#byHandle.get(handleKey(handle));
  }

  add(object: IndexedObject): void {
    this.remove(object.handle);
    this.#byHandle.set(handleKey(object.handle), object);
    for (const path of pathsOf(object)) {
      const beside = this.#byPath.get(path);
      if (beside === undefined) this.#byPath.set(path, [object]);
      else beside.push(object);
    }
    this.#count(object, 1);
  }

  remove(handle: Buffer): void {
    const object = this.#byHandle.get(handleKey(handle));
    if (object === undefined) return;
    this.#byHandle.delete(handleKey(handle));
    for (const path of pathsOf(object)) {
      const others = (this.#byPath.get(path) ?? []).filter((other) => other !== object);
      if (others.length > 0) this.#byPath.set(path, others);
      else this.#byPath.delete(path);
    }
    this.#count(object, -1);
  }

  /** The handles of all objects. */
  handles(): Buffer[] {
    return [...this.#byHandle.values()].map(({ handle }) => handle);
  }

  /** How many data objects there are, of whatever layout. */
  get size(): number {
    return this.#byHandle.size;
  }

  #count(object: IndexedObject, by: 1 | -1): void {
    const path = listedPathOf(object);
    if (path === undefined) return;
    const next = (this.#listed.get(path) ?? 0) + by;
    if (next === 0) this.#listed.delete(path);
    else this.#listed.set(path, next);
    if (next === 0 || (by === 1 && next === 1)) this.#sorted = undefined;
  }
}
