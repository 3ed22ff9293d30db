// SPDX-License-Identifier: Apache-2.0
// Tests the durable IndexedDB of a deleted device: what is in memory does not come back into the store.
import t, { type Test } from "tap";
import { openBotStore } from "../../../../server/bot/store.ts";
import { openDurableIndexedDb } from "../../../../server/matrix/crypto/indexeddb/durable-indexeddb.ts";
import { committed, settled } from "../../../../server/matrix/crypto/indexeddb/types.ts";

const setUp = async (t: Test) => {
  const store = openBotStore(t.testdir());
  t.teardown(() => store.close());
  const durable = await openDurableIndexedDb(store);
  const request = durable.factory.open("keys");
  request.addEventListener("upgradeneeded", () => void request.result.createObjectStore("rows"));
  const database = await settled(request);
  const put = async (key: string) => {
    const transaction = database.transaction("rows", "readwrite");
    transaction.objectStore("rows").put("value", key);
    await committed(transaction);
  };
  const forget = () =>
    store.transaction(() => {
      store.clear("indexeddb");
      durable.abandon();
    });
  const rows = () => [...store.entries("indexeddb")].length;
  return { store, durable, put, forget, rows };
};

t.test("a flush after it writes nothing", async (t) => {
  const { durable, put, forget, rows } = await setUp(t);
  await put("before");
  await durable.flush();
  t.not(rows(), 0);
  await put("then");
  forget();
  await durable.flush();
  t.equal(rows(), 0);
});

t.test("nor do a flush that is under way, and one that waits for it", async (t) => {
  const { store, durable, put, forget, rows } = await setUp(t);
  await put("before");
  const also = () => store.put("sync", "token", "written");
  const flushes = [durable.flush(also), durable.flush(also)];
  forget();
  await Promise.all(flushes);
  t.equal(rows(), 0);
  t.equal(store.get("sync", "token"), undefined);
});
