// SPDX-License-Identifier: Apache-2.0
// Tracks which records of an in-memory IndexedDB the committed transactions have changed.
import { keyText } from "./row-names.ts";
import {
  type IdbCursor,
  type IdbDatabase,
  type IdbFactory,
  type IdbIndex,
  type IdbObjectStore,
  type IdbTransaction,
  idbClasses,
} from "./types.ts";

/** What changed in one database. */
export type DatabaseChanges = {
  /** All of it may have: its stores were altered, or it was deleted. */
  whole: boolean;
  /** It was deleted, and whatever there is now was made afterwards. */
  deleted: boolean;
  /** By store, and by the text of the key. */
  readonly records: Map<string, Map<string, unknown>>;
  /** By store: the greatest number that was a key where the store makes keys by itself. */
  readonly generators: Map<string, number>;
};

export type ChangeTracker = {
  /** Use this one: what is done through it, and through the connections that it opens, is noted. */
  readonly factory: IdbFactory;
  /** The databases with changes, those by transactions that are still running included. */
  changed(): string[];
  /** Hands over what committed transactions changed, and forgets it. */
  take(database: string): DatabaseChanges;
  /** Notes it again, because it could not be written. */
  giveBack(database: string, changes: DatabaseChanges): void;
};

type Touch = {
  readonly store: string;
  readonly key: unknown /** A number as a key sets the store's generator forward. */;
  readonly generator: boolean;
};
type Note = (transaction: IdbTransaction, touches: () => readonly Touch[]) => void;

/** Who notes the changes of a connection. Those of other connections are nobody's business. */
const noters = new WeakMap<IdbDatabase, Note>();

let isPatched = false;

const storeOf = (source: IdbObjectStore | IdbIndex): IdbObjectStore =>
  "objectStore" in source ? source.objectStore : source;

/**
 * The methods that write are wrapped on the classes, once: objects must stay instances of them, which those who use
 * IndexedDB check. A key is noted when its request succeeded, and counts when the transaction commits.
 */
const patchClasses = (): void => {
  if (isPatched) return;
  isPatched = true;
  patchStores();
  patchCursors();
};

const touch = (target: IdbObjectStore, keys: () => readonly unknown[], generator = false): void =>
  noters.get(target.transaction.db)?.(target.transaction, () =>
    keys().map((key) => ({ store: target.name, key, generator })),
  );

const isNoted = (target: IdbObjectStore): boolean => noters.has(target.transaction.db);

const patchStores = (): void => {
  const store = idbClasses.IDBObjectStore.prototype;
  for (const method of ["put", "add"] as const) {
    const original = store[method];
    store[method] = function (this: IdbObjectStore, ...args: [unknown, unknown?]) {
      const request = original.apply(this, args);
      let key: readonly unknown[] = [];
      if (isNoted(this)) request.addEventListener("success", () => (key = [request.result]));
      touch(this, () => key, this.autoIncrement);
      return request;
    };
  }
  const { delete: deleteRecords, clear } = store;
  store.delete = function (this: IdbObjectStore, query: unknown) {
    if (!isNoted(this)) return deleteRecords.call(this, query);
    const isRange = query instanceof idbClasses.IDBKeyRange;
    const found = isRange ? this.getAllKeys(query) : undefined;
    const request = deleteRecords.call(this, query);
    touch(this, () => found?.result ?? [query]);
    return request;
  };
  store.clear = function (this: IdbObjectStore) {
    if (!isNoted(this)) return clear.call(this);
    const found = this.getAllKeys();
    const request = clear.call(this);
    touch(this, () => found.result);
    return request;
  };
};

const patchCursors = (): void => {
  const cursor = idbClasses.IDBCursor.prototype;
  const { update, delete: deleteRecord } = cursor;
  cursor.update = function (this: IdbCursor, value: unknown) {
    const key = this.primaryKey;
    const request = update.call(this, value);
    touch(storeOf(this.source), () => [key]);
    return request;
  };
  cursor.delete = function (this: IdbCursor) {
    const key = this.primaryKey;
    const request = deleteRecord.call(this);
    touch(storeOf(this.source), () => [key]);
    return request;
  };
};

const addTouches = ({ records, generators }: DatabaseChanges, touches: readonly Touch[]): void => {
  for (const { store, key, generator } of touches) {
    const keys = records.get(store) ?? new Map<string, unknown>();
    records.set(store, keys.set(keyText(key), key));
    if (generator && typeof key === "number" && key >= 1) raise(generators, store, Math.floor(key));
  }
};

/** What changed since then counts more; a deletion since then leaves nothing of it. */
const addEarlier = (now: DatabaseChanges, earlier: DatabaseChanges): void => {
  if (now.deleted) return;
  now.whole ||= earlier.whole;
  now.deleted = earlier.deleted;
  for (const [store, keys] of earlier.records) {
    now.records.set(store, new Map([...keys, ...(now.records.get(store) ?? [])]));
  }
  for (const [store, last] of earlier.generators) raise(now.generators, store, last);
};

const raise = (generators: DatabaseChanges["generators"], store: string, last: number): void => {
  generators.set(store, Math.max(generators.get(store) ?? 0, last));
};

/** Tells of each database that is altered or deleted through it, and has `note` told of what its connections change. */
const noticingFactory = (
  inner: IdbFactory,
  on: { note: Note; altered: (name: string) => void; deleted: (name: string) => void },
): IdbFactory =>
  Object.assign(Object.create(inner), {
    open(name: string, version?: number) {
      const request = version === undefined ? inner.open(name) : inner.open(name, version);
      request.addEventListener("upgradeneeded", () => {
        noters.set(request.result, on.note);
        request.transaction?.addEventListener("complete", () => on.altered(name));
      });
      request.addEventListener("success", () => noters.set(request.result, on.note));
      return request;
    },
    deleteDatabase(name: string) {
      const request = inner.deleteDatabase(name);
      request.addEventListener("success", () => on.deleted(name));
      return request;
    },
  });

/** Wraps a factory, whose databases may hold records already: those count as unchanged. */
export const trackChanges = (inner: IdbFactory): ChangeTracker => {
  patchClasses();
  const changes = new Map<string, DatabaseChanges>();
  const running = new Map<IdbTransaction, (() => readonly Touch[])[]>();
  const changesOf = (database: string): DatabaseChanges => {
    const known = changes.get(database);
    if (known) return known;
    const made: DatabaseChanges = { whole: false, deleted: false, records: new Map(), generators: new Map() };
    changes.set(database, made);
    return made;
  };
  const note: Note = (transaction, touches) => {
    const known = running.get(transaction);
    if (known) {
      known.push(touches);
      return;
    }
    const all = [touches];
    running.set(transaction, all);
    transaction.addEventListener("complete", () => {
      running.delete(transaction);
      addTouches(
        changesOf(transaction.db.name),
        all.flatMap((each) => each()),
      );
    });
    transaction.addEventListener("abort", () => running.delete(transaction));
  };

  const factory = noticingFactory(inner, {
    note,
    altered: (name) => {
      changesOf(name).whole = true;
    },
    deleted: (name) => {
      changes.set(name, { whole: true, deleted: true, records: new Map(), generators: new Map() });
    },
  });
  return {
    factory,
    changed: () => [
      ...new Set([...changes.keys(), ...[...running.keys()].map((transaction) => transaction.db.name)]),
    ],
    take(database) {
      const taken = changesOf(database);
      changes.delete(database);
      return taken;
    },
    giveBack(database, earlier) {
      addEarlier(changesOf(database), earlier);
    },
  };
};
