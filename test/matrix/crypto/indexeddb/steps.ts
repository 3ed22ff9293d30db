// SPDX-License-Identifier: Apache-2.0
// Generates random programs that modify an IndexedDB in every possible way.
import fc from "fast-check";
import type { DurableIndexedDb } from "../../../../server/matrix/crypto/indexeddb/durable-indexeddb.ts";
import {
  committed,
  type IdbCursor,
  type IdbDatabase,
  type IdbFactory,
  type IdbObjectStore,
  type IdbRequest,
  idbClasses,
  settled,
} from "../../../../server/matrix/crypto/indexeddb/types.ts";

export const open = (
  factory: IdbFactory,
  name: string,
  version?: number,
  upgrade?: (database: IdbDatabase) => void,
) => {
  const request = factory.open(name, version);
  request.addEventListener("upgradeneeded", () => upgrade?.(request.result));
  return settled(request);
};

/** A store with keys beside the values, one with keys in them, one whose keys lie deeper; the first and last make their own. */
export const makeStores = (database: IdbDatabase): void => {
  const a = database.createObjectStore("a", { autoIncrement: true });
  a.createIndex("by-group", "group");
  database.createObjectStore("b", { keyPath: "id" });
  const c = database.createObjectStore("c", { keyPath: "deep.id", autoIncrement: true });
  c.createIndex("by-tags", "tags", { multiEntry: true });
};

type Operation =
  | { kind: "put"; store: "a" | "b" | "c"; key: unknown; value: number }
  | { kind: "generate"; store: "a" | "c"; value: number }
  | { kind: "delete"; store: "a" | "b" | "c"; key: unknown }
  | { kind: "delete-range"; store: "a" | "b" | "c"; from: number; to: number }
  | { kind: "clear"; store: "a" | "b" | "c" }
  | { kind: "cursor"; store: "a" | "b" | "c"; index: boolean; removes: boolean };

export type Step =
  | { kind: "transaction"; database: string; operations: Operation[]; aborts: boolean }
  | { kind: "upgrade"; database: string }
  | { kind: "delete-database"; database: string }
  | { kind: "flush" }
  | { kind: "kill" };

const keys = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 12 }) },
  fc.constantFrom<unknown>(
    "",
    "x",
    "ключ",
    -1.5,
    0,
    new Date(7),
    new Uint8Array([1, 2]).buffer,
    [1, ["x"]],
    [],
  ),
);
const store = fc.constantFrom("a", "b", "c");
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("put"), store, key: keys, value: fc.nat(99) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("generate"),
      store: fc.constantFrom("a", "c"),
      value: fc.nat(99),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete"), store, key: keys }) },
  fc.record({
    kind: fc.constant("delete-range"),
    store,
    from: fc.integer({ min: 0, max: 5 }),
    to: fc.constant(9),
  }),
  fc.record({ kind: fc.constant("clear"), store }),
  fc.record({ kind: fc.constant("cursor"), store, index: fc.boolean(), removes: fc.boolean() }),
) as fc.Arbitrary<Operation>;
const database = fc.constantFrom("one", "two");
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("transaction"),
      database,
      operations: fc.array(operation, { minLength: 1, maxLength: 6 }),
      aborts: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("flush") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("kill") }) },
  fc.record({ kind: fc.constant("upgrade"), database }),
  fc.record({ kind: fc.constant("delete-database"), database }),
) as fc.Arbitrary<Step>;

const value = (target: string, key: unknown, number: number): unknown => {
  const content = {
    group: number % 3,
    tags: [number, `t${number % 5}`],
    bytes: new Uint8Array([number]),
    none: undefined,
  };
  if (target === "b") return { ...content, id: key };
  return target === "c"
    ? { ...content, deep: key === undefined ? {} : { id: key } }
    : number === 7
      ? undefined
      : content;
};

const walk = (cursors: IdbRequest<IdbCursor | null>, removes: boolean): void =>
  cursors.addEventListener("success", () => {
    const cursor = cursors.result;
    if (!cursor) return;
    if (removes) cursor.delete();
    else if (typeof cursor.value === "object" && cursor.value !== null) {
      cursor.update({ ...cursor.value, group: 1 });
    }
    cursor.continue();
  });

const apply = (target: IdbObjectStore, each: Operation): void => {
  switch (each.kind) {
    case "put":
      if (target.keyPath === null) target.put(value("a", undefined, each.value), each.key);
      else target.put(value(each.store, each.key, each.value));
      return;
    case "generate":
      target.put(value(each.store, undefined, each.value));
      return;
    case "delete":
      target.delete(each.key);
      return;
    case "delete-range":
      target.delete(idbClasses.IDBKeyRange.bound(each.from, each.to, true));
      return;
    case "clear":
      target.clear();
      return;
    case "cursor": {
      const index = each.store === "a" ? "by-group" : "by-tags";
      walk(
        each.index && each.store !== "b" ? target.index(index).openCursor() : target.openCursor(),
        each.removes,
      );
    }
  }
};

/** The program under test and what it knows; a kill leaves nothing but the bot's store. */
export const perform = async (durable: DurableIndexedDb, each: Step): Promise<void> => {
  if (each.kind === "flush" || each.kind === "kill") return;
  if (each.kind === "delete-database") {
    await settled(durable.factory.deleteDatabase(each.database));
    return;
  }
  const known = (await durable.factory.databases()).find(({ name }) => name === each.database);
  if (each.kind === "upgrade") {
    const version = (known?.version ?? 0) + 1;
    const connection = await open(durable.factory, each.database, version, (opened) => {
      if (version === 1) makeStores(opened);
      const extra = opened.createObjectStore(`extra${version}`);
      extra.put(version, "made in the upgrade");
      if (version > 2 && [...opened.objectStoreNames].includes(`extra${version - 1}`)) {
        opened.deleteObjectStore(`extra${version - 1}`);
      }
    });
    connection.close();
    return;
  }
  const connection = await open(durable.factory, each.database, known?.version ?? 1, makeStores);
  const transaction = connection.transaction(["a", "b", "c"], "readwrite");
  const done = committed(transaction);
  for (const one of each.operations) {
    // fake-indexeddb leaves a generator advanced by a number that was put in a transaction that was aborted; what is kept is
    // as the specification has it.
    if (each.aborts && one.kind === "put" && one.store !== "b") continue;
    apply(transaction.objectStore(one.store), one);
  }
  if (each.aborts) {
    await settled(transaction.objectStore("a").getKey(1));
    transaction.abort();
    await done.catch(() => {});
  } else await done;
  connection.close();
};
