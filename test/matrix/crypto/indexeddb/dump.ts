// SPDX-License-Identifier: Apache-2.0
// Dumps the content of an IndexedDB for comparison: schemas, records, and the key generators' next values.
import {
  committed,
  type IdbFactory,
  type IdbObjectStore,
  settled,
} from "../../../../server/matrix/crypto/indexeddb/types.ts";

const dumpStore = async (store: IdbObjectStore) => ({
  keyPath: store.keyPath,
  autoIncrement: store.autoIncrement,
  indexes: [...store.indexNames].map((name) => {
    const { keyPath, unique, multiEntry } = store.index(name);
    return { name, keyPath, unique, multiEntry };
  }),
  keys: await settled(store.getAllKeys()),
  values: await settled(store.getAll()),
  next: store.autoIncrement ? await settled(store.put({})) : null,
});

/** The generators are asked in a transaction that is aborted, which sets them back. */
export const dumpDatabases = async (factory: IdbFactory): Promise<unknown> => {
  const dump: Record<string, unknown> = {};
  for (const { name, version } of [...(await factory.databases())].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const database = await settled(factory.open(name));
    const names = [...database.objectStoreNames];
    const transaction = database.transaction(names, "readwrite");
    const ended = committed(transaction).catch(() => {});
    const stores: Record<string, unknown> = {};
    for (const store of names) stores[store] = await dumpStore(transaction.objectStore(store));
    transaction.abort();
    await ended;
    database.close();
    dump[name] = { version, stores };
  }
  return dump;
};
