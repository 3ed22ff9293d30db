// SPDX-License-Identifier: Apache-2.0
// Serializes a database's schema: version, object stores and indexes.
import { type Static, Type } from "@sinclair/typebox";
import type { IdbDatabase, IdbObjectStore } from "./types.ts";

const Path = Type.Union([Type.String(), Type.Array(Type.String())]);

export const DatabaseSchema = Type.Object({
  name: Type.String(),
  version: Type.Integer({ minimum: 1 }),
  stores: Type.Array(
    Type.Object({
      name: Type.String(),
      keyPath: Type.Union([Path, Type.Null()]),
      autoIncrement: Type.Boolean(),
      indexes: Type.Array(
        Type.Object({
          name: Type.String(),
          keyPath: Path,
          unique: Type.Boolean(),
          multiEntry: Type.Boolean(),
        }),
      ),
    }),
  ),
});

export type DatabaseSchema = Static<typeof DatabaseSchema>;

const plain = (path: string | readonly string[]): string | string[] =>
  typeof path === "string" ? path : [...path];

/** Reads it from the stores of a transaction. */
export const schemaOf = (
  name: string,
  version: number,
  stores: readonly IdbObjectStore[],
): DatabaseSchema => ({
  name,
  version,
  stores: stores.map((store) => ({
    name: store.name,
    keyPath: store.keyPath === null ? null : plain(store.keyPath),
    autoIncrement: store.autoIncrement,
    indexes: [...store.indexNames]
      .map((index) => store.index(index))
      .map(({ name, keyPath, unique, multiEntry }) => ({
        name,
        keyPath: plain(keyPath),
        unique,
        multiEntry,
      })),
  })),
});

/** Makes the stores; within the transaction that makes the database. */
export const createStores = (database: IdbDatabase, schema: DatabaseSchema): IdbObjectStore[] =>
  schema.stores.map(({ name, keyPath, autoIncrement, indexes }) => {
    const store = database.createObjectStore(name, { keyPath, autoIncrement });
    for (const index of indexes) {
      store.createIndex(index.name, index.keyPath, { unique: index.unique, multiEntry: index.multiEntry });
    }
    return store;
  });
