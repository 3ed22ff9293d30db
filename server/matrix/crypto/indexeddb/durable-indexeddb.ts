// SPDX-License-Identifier: Apache-2.0
// Implements an in-memory IndexedDB that persists in the bot's store: restored at the start, written at each flush.
import { deserialize, serialize } from "node:v8";
import type { BotStore, When } from "../../../bot/store.ts";
import { type ChangeTracker, type DatabaseChanges, trackChanges } from "./change-tracking.ts";
import { schemaOf } from "./database-schema.ts";
import { restoreDatabases } from "./restore.ts";
import { generatorRow, parseRowName, recordRow, schemaRow } from "./row-names.ts";
import {
  committed,
  type IdbDatabase,
  type IdbFactory,
  type IdbObjectStore,
  idbClasses,
  settled,
} from "./types.ts";

export type DurableIndexedDb = {
  /** The IndexedDB to work with. */
  readonly factory: IdbFactory;
  /**
   * Writes what has changed since the last flush, in one transaction of the bot's store, and `also` in the same one. When
   * it resolves, all that was committed before the call is written as `when` says. Calls at the same time share a transaction.
   * Costs nothing when nothing has changed. When it rejects, nothing was written, and the next flush tries it again.
   */
  flush(also?: () => void, when?: When): Promise<void>;
  /** From now on nothing is written any more, nor by a flush that is under way: what the store holds is another's. */
  abandon(): void;
};

/** What a flush writes besides, and how soon. */
type Demand = { readonly also: (() => void)[]; when: When };

/** Rows to write, or to remove where there is no value. */
type Rows = Map<string, Uint8Array | undefined>;

type Capture = { readonly database: string; readonly changes: DatabaseChanges; readonly rows: Rows };

/** Opens what `store` holds. @throws Error when it holds something else than an IndexedDB */
export const openDurableIndexedDb = async (store: BotStore): Promise<DurableIndexedDb> => {
  const memory = new idbClasses.IDBFactory();
  await restoreDatabases(store, memory);
  const tracker = trackChanges(memory);
  const readers = new Map<string, IdbDatabase>();
  let abandoned = false;

  const capture = async (database: string): Promise<Capture> => {
    const reader = await openReader(memory, readers, database);
    if (reader === undefined) return { database, changes: tracker.take(database), rows: new Map() };
    return captureChanges(reader, tracker);
  };

  const flushOnce = async ({ also, when }: Demand): Promise<void> => {
    const captures: Capture[] = [];
    try {
      for (const database of tracker.changed()) captures.push(await capture(database));
      if (abandoned) return;
      store.transaction(() => {
        for (const each of captures) write(store, each);
        for (const work of also) work();
      }, when);
    } catch (error) {
      for (const { database, changes } of captures) tracker.giveBack(database, changes);
      throw error;
    }
  };

  return {
    factory: tracker.factory,
    abandon() {
      abandoned = true;
    },
    flush: shareFlushes(flushOnce, () => tracker.changed().length > 0),
  };
};

/** `flushOnce` for callers at the same time: they share one, and those who come while one runs share the next. */
const shareFlushes = (
  flushOnce: (demand: Demand) => Promise<void>,
  hasChanges: () => boolean,
): DurableIndexedDb["flush"] => {
  let running: Promise<void> | undefined;
  let next: (Demand & { readonly done: Promise<void> }) | undefined;
  const start = (demand: Demand): Promise<void> => {
    if (demand.also.length === 0 && !hasChanges()) return Promise.resolve();
    running = flushOnce(demand).finally(() => {
      running = undefined;
    });
    return running;
  };
  return (also, when = "now") => {
    const work = also ? [also] : [];
    if (next) {
      next.also.push(...work);
      // Whoever must not wait for less than the disk decides for all.
      if (when === "now") next.when = when;
      return next.done;
    }
    if (running === undefined) return start({ also: work, when });
    // The one that runs may have read before the caller's changes; all who come from now on share the one after.
    const afterwards = async (): Promise<void> => {
      const together = next ?? { also: [], when };
      next = undefined;
      await start(together);
    };
    next = { also: work, when, done: running.then(afterwards, afterwards) };
    return next.done;
  };
};

/** Within a transaction of the store. */
const write = (store: BotStore, { database, changes, rows }: Capture): void => {
  if (changes.whole) removeDatabase(store, database, changes.deleted);
  for (const [name, value] of rows) {
    if (value === undefined) store.delete("indexeddb", name);
    else store.put("indexeddb", name, value);
  }
  for (const [name, last] of changes.generators) {
    const row = generatorRow(database, name);
    const kept = store.get("indexeddb", row);
    const former: unknown = kept && deserialize(kept);
    // Smaller numbers may be keys afterwards, which sets no generator back.
    if (typeof former !== "number" || former < last) store.put("indexeddb", row, serialize(last));
  }
};

/** Removes what is written anew with the database; where that was deleted, the generators too. */
const removeDatabase = (store: BotStore, database: string, deleted: boolean): void => {
  for (const [row] of store.entries("indexeddb")) {
    const name = parseRowName(row);
    // What a generator gave last can be read nowhere else.
    const isKept = name.kind === "generator" && !deleted;
    if (name.database === database && !isKept) store.delete("indexeddb", row);
  }
};

/** A connection to read with, or undefined when there is no such database. It gives way to whoever alters the database. */
const openReader = async (
  memory: IdbFactory,
  readers: Map<string, IdbDatabase>,
  name: string,
): Promise<IdbDatabase | undefined> => {
  const known = readers.get(name);
  if (known) return known;
  if (!(await memory.databases()).some((database) => database.name === name)) return undefined;
  const database = await settled(memory.open(name));
  database.addEventListener("versionchange", () => {
    readers.delete(name);
    database.close();
  });
  readers.set(name, database);
  return database;
};

/** Reads records of a database into `rows` while a transaction of their stores lasts. */
const createReading = (database: string, rows: Rows) => {
  const read = (store: IdbObjectStore, key: unknown): void => {
    const request = store.get(key);
    const row = recordRow(database, store.name, key);
    request.addEventListener("success", () => {
      if (request.result !== undefined) rows.set(row, serialize([key, request.result]));
      else readUndefined(store, key, row);
    });
  };
  /** A record may have the value undefined, which is not the same as none. */
  const readUndefined = (store: IdbObjectStore, key: unknown, row: string): void => {
    const request = store.getKey(key);
    request.addEventListener("success", () =>
      rows.set(row, request.result === undefined ? undefined : serialize([key, undefined])),
    );
  };
  const readAll = (store: IdbObjectStore): void => {
    const request = store.getAllKeys();
    request.addEventListener("success", () => {
      for (const key of request.result) read(store, key);
    });
  };
  return { read, readAll };
};

/**
 * Reads in one transaction over all stores. Only once that has begun, when all transactions before it have committed
 * and none after it can begin, are the changes taken: so no transaction is ever seen half.
 */
const captureChanges = async (reader: IdbDatabase, tracker: ChangeTracker): Promise<Capture> => {
  const names = [...reader.objectStoreNames];
  const rows: Rows = new Map();
  if (names.length === 0) {
    const changes = tracker.take(reader.name);
    if (changes.whole) rows.set(schemaRow(reader.name), serialize(schemaOf(reader.name, reader.version, [])));
    return { database: reader.name, changes, rows };
  }
  const transaction = reader.transaction(names, "readonly");
  const done = committed(transaction);
  const stores = names.map((name) => transaction.objectStore(name));
  let changes: DatabaseChanges | undefined;
  const { read, readAll } = createReading(reader.name, rows);
  stores[0]?.getKey(0).addEventListener("success", () => {
    changes = tracker.take(reader.name);
    if (changes.whole) {
      rows.set(schemaRow(reader.name), serialize(schemaOf(reader.name, reader.version, stores)));
      for (const store of stores) readAll(store);
    } else {
      for (const store of stores) {
        for (const key of changes.records.get(store.name)?.values() ?? []) read(store, key);
      }
    }
  });
  try {
    await done;
  } catch (error) {
    if (changes) tracker.giveBack(reader.name, changes);
    throw error;
  }
  if (changes === undefined) throw new Error("an IndexedDB transaction ended before it began");
  return { database: reader.name, changes, rows };
};
