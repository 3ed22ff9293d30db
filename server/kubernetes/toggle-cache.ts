// SPDX-License-Identifier: Apache-2.0
// Caches the Toggles of one namespace as the watch reports them, and notifies listeners of changes.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import { Toggle } from "../../hooks/toggle/schema.ts";
import { deepFreeze } from "../config/variables.ts";
import { compileSchema } from "../http/validation.ts";
import { switchRecordsOf } from "./last-switch.ts";
import type { ToggleChange } from "./toggles.ts";

const readable = compileSchema(Toggle);

/** What every object has that the API server answers with. */
const Named = Type.Object({
  metadata: Type.Object({
    name: Type.String({ minLength: 1 }),
    resourceVersion: Type.Optional(Type.String()),
  }),
});

/** An object of the API server's as a Toggle of `namespace`; undefined where it is none that we can read. */
export const readToggle = (object: unknown, namespace: string): Toggle | undefined => {
  if (!readable.Check(object) || object.metadata.namespace !== namespace) return undefined;
  const { managedFields, ...metadata } = object.metadata;
  return deepFreeze({ ...object, metadata: { ...metadata, managedFields: switchRecordsOf(managedFields) } });
};

export type ToggleCache = {
  /** By name. */
  list(): readonly Toggle[];
  find(name: string): Toggle | undefined;
  subscribe(listener: (change: ToggleChange) => void): () => void;
  /** Takes a whole list in and tells the differences, deletions first. */
  replace(objects: readonly unknown[]): void;
  put(object: unknown): void;
  remove(object: unknown): void;
};

export type ToggleCacheOptions = {
  readonly namespace: string;
  readonly logger: Logger;
  /** Told once for each version of an object that is left out because it can't be read. */
  readonly onUnreadable?: () => void;
};

/** Who wants to know of changes. */
class Listeners {
  readonly #listeners = new Set<(change: ToggleChange) => void>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(listener: (change: ToggleChange) => void): () => void {
    // The same function may be given twice.
    const own = (change: ToggleChange) => listener(change);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  tell(changes: readonly ToggleChange[]): void {
    for (const change of changes) for (const listener of [...this.#listeners]) this.#call(listener, change);
  }

  #call(listener: (change: ToggleChange) => void, change: ToggleChange): void {
    try {
      listener(change);
    } catch (error) {
      // A bug of the listener's; the watch and the other listeners go on.
      this.#logger.error({ err: error, toggle: change.name }, "a listener of Toggles failed");
    }
  }
}

/** Reads objects of the namespace, and tells once of each version of one that it leaves out. */
class ToggleReader {
  readonly #options: ToggleCacheOptions;
  /** The version of each object that was left out. */
  readonly #leftOut = new Map<string, string>();

  constructor(options: ToggleCacheOptions) {
    this.#options = options;
  }

  /** The object's name, and the Toggle that it is; undefined for what is no object of ours at all. */
  read(object: unknown): { name: string; toggle: Toggle | undefined } | undefined {
    if (!Value.Check(Named, object)) return undefined;
    const { name, resourceVersion = "" }: Static<typeof Named>["metadata"] = object.metadata;
    const toggle = readToggle(object, this.#options.namespace);
    if (toggle !== undefined) this.#leftOut.delete(name);
    else if (this.#leftOut.get(name) !== resourceVersion) this.#leaveOut(name, resourceVersion);
    return { name, toggle };
  }

  /** All Toggles of a whole list, by name; what is not in it is gone. */
  readAll(objects: readonly unknown[]): Map<string, Toggle> {
    const read = objects.flatMap((object) => this.read(object) ?? []);
    const seen = new Set(read.map(({ name }) => name));
    for (const name of this.#leftOut.keys()) if (!seen.has(name)) this.#leftOut.delete(name);
    return new Map(read.flatMap(({ name, toggle }) => (toggle === undefined ? [] : [[name, toggle]])));
  }

  forget(name: string): void {
    this.#leftOut.delete(name);
  }

  #leaveOut(name: string, resourceVersion: string): void {
    const { logger, onUnreadable } = this.#options;
    this.#leftOut.set(name, resourceVersion);
    logger.warn({ toggle: name, resourceVersion }, "a Toggle that does not fit the schema is left out");
    onUnreadable?.();
  }
}

/** What listeners are told when `before` became `now`: of another object by the same name, that the first is gone. */
const changes = (name: string, before: Toggle | undefined, now: Toggle | undefined): ToggleChange[] => {
  if (before === undefined) return now === undefined ? [] : [{ name, toggle: now }];
  if (now === undefined) return [{ name, toggle: undefined }];
  if (before.metadata.uid !== now.metadata.uid) {
    return [
      { name, toggle: undefined },
      { name, toggle: now },
    ];
  }
  return before.metadata.resourceVersion === now.metadata.resourceVersion ? [] : [{ name, toggle: now }];
};

export const createToggleCache = (options: ToggleCacheOptions): ToggleCache => {
  const listeners = new Listeners(options.logger);
  const reader = new ToggleReader(options);
  let toggles = new Map<string, Toggle>();

  const take = (name: string, toggle: Toggle | undefined): void => {
    const told = changes(name, toggles.get(name), toggle);
    if (toggle === undefined) toggles.delete(name);
    else toggles.set(name, toggle);
    listeners.tell(told);
  };

  return {
    list: () => [...toggles.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
    find: (name) => toggles.get(name),
    subscribe: (listener) => listeners.add(listener),
    replace(objects) {
      const before = toggles;
      const now = reader.readAll(objects);
      toggles = now;
      const gone = [...before.keys()].filter((name) => !now.has(name));
      for (const name of [...gone, ...now.keys()]) {
        listeners.tell(changes(name, before.get(name), now.get(name)));
      }
    },
    put(object) {
      const known = reader.read(object);
      if (known !== undefined) take(known.name, known.toggle);
    },
    remove(object) {
      if (!Value.Check(Named, object)) return;
      reader.forget(object.metadata.name);
      take(object.metadata.name, undefined);
    },
  };
};
