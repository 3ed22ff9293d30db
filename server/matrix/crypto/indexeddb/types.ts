// SPDX-License-Identifier: Apache-2.0
// Declares the part of the IndexedDB interface that the durable store uses; Node's types have none of it.
import * as fake from "fake-indexeddb";

/** https://w3c.github.io/IndexedDB/#keyrange */
type KeyPath = string | readonly string[] | null;

type Target<Events extends string> = {
  addEventListener(type: Events, listener: () => void): void;
};

export type IdbRequest<T> = Target<"success" | "error"> & { readonly result: T; readonly error: unknown };

export type IdbIndex = {
  readonly name: string;
  readonly keyPath: string | readonly string[];
  readonly unique: boolean;
  readonly multiEntry: boolean;
  readonly objectStore: IdbObjectStore;
  openCursor(query?: unknown): IdbRequest<IdbCursor | null>;
};

export type IdbObjectStore = {
  readonly name: string;
  readonly keyPath: KeyPath;
  readonly autoIncrement: boolean;
  readonly indexNames: Iterable<string>;
  readonly transaction: IdbTransaction;
  put(value: unknown, key?: unknown): IdbRequest<unknown>;
  add(value: unknown, key?: unknown): IdbRequest<unknown>;
  delete(query: unknown): IdbRequest<unknown>;
  clear(): IdbRequest<unknown>;
  get(key: unknown): IdbRequest<unknown>;
  getKey(query: unknown): IdbRequest<unknown>;
  getAll(query?: unknown): IdbRequest<unknown[]>;
  getAllKeys(query?: unknown): IdbRequest<unknown[]>;
  openCursor(query?: unknown): IdbRequest<IdbCursor | null>;
  index(name: string): IdbIndex;
  createIndex(
    name: string,
    keyPath: string | readonly string[],
    options?: { unique?: boolean; multiEntry?: boolean },
  ): IdbIndex;
};

export type IdbCursor = {
  readonly source: IdbObjectStore | IdbIndex;
  readonly primaryKey: unknown;
  readonly value: unknown;
  update(value: unknown): IdbRequest<unknown>;
  delete(): IdbRequest<unknown>;
  continue(): void;
};

export type IdbTransaction = Target<"complete" | "abort" | "error"> & {
  readonly db: IdbDatabase;
  readonly error: unknown;
  objectStore(name: string): IdbObjectStore;
  abort(): void;
};

export type IdbDatabase = Target<"versionchange"> & {
  readonly name: string;
  readonly version: number;
  readonly objectStoreNames: Iterable<string>;
  transaction(stores: string | readonly string[], mode: "readonly" | "readwrite"): IdbTransaction;
  createObjectStore(name: string, options?: { keyPath?: KeyPath; autoIncrement?: boolean }): IdbObjectStore;
  deleteObjectStore(name: string): void;
  close(): void;
};

type IdbOpenRequest = Target<"success" | "error" | "upgradeneeded" | "blocked"> & {
  readonly result: IdbDatabase;
  readonly error: unknown;
  readonly transaction: IdbTransaction | null;
};

export type IdbFactory = {
  open(name: string, version?: number): IdbOpenRequest;
  deleteDatabase(name: string): IdbOpenRequest;
  databases(): Promise<readonly { readonly name: string; readonly version: number }[]>;
};

/** fake-indexeddb's classes. Its own declarations name types of browsers, which there are none of here. */
export const idbClasses: {
  readonly IDBFactory: new () => IdbFactory;
  readonly IDBObjectStore: { readonly prototype: IdbObjectStore };
  readonly IDBCursor: { readonly prototype: IdbCursor };
  readonly IDBKeyRange: (new () => unknown) & {
    bound(lower: unknown, upper: unknown, lowerOpen?: boolean, upperOpen?: boolean): unknown;
  };
} = fake;

/** What a program for browsers finds in its global scope, and asks objects to be instances of. */
export const idbGlobals: Readonly<Record<string, unknown>> = {
  IDBCursor: fake.IDBCursor,
  IDBCursorWithValue: fake.IDBCursorWithValue,
  IDBDatabase: fake.IDBDatabase,
  IDBFactory: fake.IDBFactory,
  IDBIndex: fake.IDBIndex,
  IDBKeyRange: fake.IDBKeyRange,
  IDBObjectStore: fake.IDBObjectStore,
  IDBOpenDBRequest: fake.IDBOpenDBRequest,
  IDBRequest: fake.IDBRequest,
  IDBTransaction: fake.IDBTransaction,
  IDBVersionChangeEvent: fake.IDBVersionChangeEvent,
};

/** The outcome of a request. */
export const settled = <T>(request: IdbRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });

/** Resolves when the transaction has committed. */
export const committed = (transaction: IdbTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.addEventListener("complete", () => resolve());
    transaction.addEventListener("abort", () =>
      reject(transaction.error ?? new Error("an IndexedDB transaction was aborted")),
    );
  });
