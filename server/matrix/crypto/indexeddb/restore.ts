// SPDX-License-Identifier: Apache-2.0
// Restores an in-memory IndexedDB from the bot's store.
import { deserialize } from "node:v8";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { BotStore } from "../../../bot/store.ts";
import { createStores, DatabaseSchema } from "./database-schema.ts";
import { parseRowName } from "./row-names.ts";
import { type IdbFactory, type IdbObjectStore, settled } from "./types.ts";

const Generator = Type.Integer({ minimum: 1 });
const StoredRecord = Type.Tuple([Type.Unknown(), Type.Unknown()]);

type Content = {
  schema: DatabaseSchema | undefined;
  readonly records: { readonly store: string; readonly key: unknown; readonly value: unknown }[];
  readonly generators: { readonly store: string; readonly last: number }[];
};

/** @throws Error when a row is not what a flush writes. */
export const restoreDatabases = async (store: BotStore, factory: IdbFactory): Promise<void> => {
  for (const [database, content] of readContents(store)) {
    if (content.schema === undefined) throw new Error(`the bot's store lacks the schema of ${database}`);
    await restoreDatabase(factory, content.schema, content);
  }
};

const readContents = (store: BotStore): Map<string, Content> => {
  const contents = new Map<string, Content>();
  for (const [row, bytes] of store.entries("indexeddb")) {
    const name = parseRowName(row);
    const content = contents.get(name.database) ?? { schema: undefined, records: [], generators: [] };
    contents.set(name.database, content);
    const value: unknown = deserialize(bytes);
    if (name.kind === "schema" && Value.Check(DatabaseSchema, value)) content.schema = value;
    else if (name.kind === "generator" && Value.Check(Generator, value)) {
      content.generators.push({ store: name.store, last: value });
    } else if (name.kind === "record" && Value.Check(StoredRecord, value)) {
      content.records.push({ store: name.store, key: value[0], value: value[1] });
    } else throw new Error(`the bot's store holds a damaged row of ${name.database}`);
  }
  return contents;
};

/** All in the transaction that makes the database: it is there as a whole, or the start fails. */
const restoreDatabase = async (
  factory: IdbFactory,
  schema: DatabaseSchema,
  { records, generators }: Content,
): Promise<void> => {
  const request = factory.open(schema.name, schema.version);
  request.addEventListener("upgradeneeded", () => {
    const stores = new Map(createStores(request.result, schema).map((store) => [store.name, store]));
    for (const { store, key, value } of records) put(stores.get(store), value, key);
    for (const { store, last } of generators) advanceGenerator(stores.get(store), last);
  });
  const database = await settled(request);
  database.close();
};

const put = (store: IdbObjectStore | undefined, value: unknown, key: unknown): void => {
  if (store === undefined) {
    throw new Error("the bot's store holds a record of an IndexedDB store that is unknown");
  }
  if (store.keyPath === null) store.put(value, key);
  else store.put(value);
};

/** A key generator goes on after the greatest number that ever was a key: also after one that is gone. */
const advanceGenerator = (store: IdbObjectStore | undefined, last: number): void => {
  if (!store?.autoIncrement) return;
  const existing = store.getKey(last);
  existing.addEventListener("success", () => {
    if (existing.result !== undefined) return;
    const path = typeof store.keyPath === "string" ? store.keyPath.split(".") : undefined;
    put(
      store,
      path?.reduceRight<unknown>((inner, name) => ({ [name]: inner }), last),
      last,
    );
    store.delete(last);
  });
};
