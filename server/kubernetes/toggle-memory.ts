// SPDX-License-Identifier: Apache-2.0
// The Toggles of one namespace as the watch last told them, and who wants to know of changes.
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

export type ToggleMemory = {
  /** By name. */
  list(): readonly Toggle[];
  find(name: string): Toggle | undefined;
  subscribe(listener: (change: ToggleChange) => void): () => void;
  /** Takes a whole list in and tells the differences, deletions first. */
  replace(objects: readonly unknown[]): void;
  put(object: unknown): void;
  remove(object: unknown): void;
};

export type ToggleMemoryOptions = {
  readonly namespace: string;
  readonly logger: Logger;
  /** Told once for each version of an object that is left out because it can't be read. */
  readonly onUnreadable?: () => void;
};

export const createToggleMemory = ({
  namespace,
  logger,
  onUnreadable,
}: ToggleMemoryOptions): ToggleMemory => {
  let toggles = new Map<string, Toggle>();
  /** The version of each object that was left out. */
  const leftOut = new Map<string, string>();
  const listeners = new Set<(change: ToggleChange) => void>();

  const tell = (change: ToggleChange): void => {
    for (const listener of [...listeners]) {
      try {
        listener(change);
      } catch (error) {
        // A bug of the listener's; the watch and the other listeners go on.
        logger.error({ err: error, toggle: change.name }, "a listener of Toggles failed");
      }
    }
  };

  /** The object's name, and the Toggle that it is; undefined for what is no object of ours at all. */
  const read = (object: unknown): { name: string; toggle: Toggle | undefined } | undefined => {
    if (!Value.Check(Named, object)) return undefined;
    const { name, resourceVersion = "" }: Static<typeof Named>["metadata"] = object.metadata;
    const toggle = readToggle(object, namespace);
    if (toggle !== undefined) leftOut.delete(name);
    else if (leftOut.get(name) !== resourceVersion) {
      leftOut.set(name, resourceVersion);
      logger.warn({ toggle: name, resourceVersion }, "a Toggle that does not fit the schema is left out");
      onUnreadable?.();
    }
    return { name, toggle };
  };

  /** What listeners are told when `before` became `now`: of another object by the same name, that the first is gone. */
  const changes = (name: string, before: Toggle | undefined, now: Toggle | undefined): ToggleChange[] => {
    if (before === undefined) return now === undefined ? [] : [{ name, toggle: now }];
    if (now === undefined) return [{ name, toggle: undefined }];
    if (before.metadata.uid !== now.metadata.uid)
      return [
        { name, toggle: undefined },
        { name, toggle: now },
      ];
    return before.metadata.resourceVersion === now.metadata.resourceVersion ? [] : [{ name, toggle: now }];
  };

  const take = (name: string, toggle: Toggle | undefined): void => {
    const told = changes(name, toggles.get(name), toggle);
    if (toggle === undefined) toggles.delete(name);
    else toggles.set(name, toggle);
    for (const change of told) tell(change);
  };

  return {
    list: () => [...toggles.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
    find: (name) => toggles.get(name),
    subscribe(listener) {
      // The same function may be given twice.
      const own = (change: ToggleChange) => listener(change);
      listeners.add(own);
      return () => listeners.delete(own);
    },
    replace(objects) {
      const before = toggles;
      const seen = new Set<string>();
      toggles = new Map();
      for (const object of objects) {
        const known = read(object);
        if (known === undefined) continue;
        seen.add(known.name);
        if (known.toggle !== undefined) toggles.set(known.name, known.toggle);
      }
      for (const name of leftOut.keys()) if (!seen.has(name)) leftOut.delete(name);
      const now = toggles;
      const names = [...before.keys()].filter((name) => !now.has(name));
      for (const name of [...names, ...now.keys()])
        for (const change of changes(name, before.get(name), now.get(name))) tell(change);
    },
    put(object) {
      const known = read(object);
      if (known !== undefined) take(known.name, known.toggle);
    },
    remove(object) {
      if (!Value.Check(Named, object)) return;
      leftOut.delete(object.metadata.name);
      take(object.metadata.name, undefined);
    },
  };
};
