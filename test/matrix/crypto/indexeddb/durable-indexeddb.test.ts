// SPDX-License-Identifier: Apache-2.0
// Tests the durable IndexedDB: after a kill it has all that was flushed, and nothing else.
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { openBotStore } from "../../../../server/bot/store.ts";
import { openDurableIndexedDb } from "../../../../server/matrix/crypto/indexeddb/durable-indexeddb.ts";
import { committed, settled } from "../../../../server/matrix/crypto/indexeddb/types.ts";
import { dumpDatabases } from "./dump.ts";
import { makeStores, open, perform, type Step, step } from "./steps.ts";

t.test("after any operations, a flush and a kill restore what was there at the last flush", async (t) => {
  const folders = t.testdir();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      run += 1;
      const folder = `${folders}/${run}`;
      let kept = openBotStore(folder);
      let durable = await openDurableIndexedDb(kept);
      let flushed = await dumpDatabases(durable.factory);
      for (const each of [...steps, { kind: "flush" }, { kind: "kill" }] as Step[]) {
        await perform(durable, each);
        if (each.kind === "flush") {
          await durable.flush();
          flushed = await dumpDatabases(durable.factory);
        } else if (each.kind === "kill") {
          kept.close();
          kept = openBotStore(folder);
          durable = await openDurableIndexedDb(kept);
          deepStrictEqual(await dumpDatabases(durable.factory), flushed);
        }
      }
      kept.close();
    }),
    { numRuns: 150 },
  );
});

t.test("a transaction is never kept half, whenever flushes come", async (t) => {
  const kept = openBotStore(t.testdir());
  const durable = await openDurableIndexedDb(kept);
  const connection = await open(durable.factory, "one", 1, makeStores);
  let isWriting = true;
  const write = async (lane: string): Promise<void> => {
    for (let number = 1; number <= 60; number += 1) {
      const transaction = connection.transaction(["a", "b"], "readwrite");
      const done = committed(transaction);
      await settled(transaction.objectStore("a").put({ number }, lane));
      await settled(transaction.objectStore("a").get(lane));
      transaction.objectStore("b").put({ id: lane, number });
      await done;
    }
  };
  const look = async (): Promise<void> => {
    while (isWriting) {
      await durable.flush();
      const restored = await openDurableIndexedDb(kept);
      const reader = await open(restored.factory, "one");
      const stores = reader.transaction(["a", "b"], "readonly");
      for (const lane of ["left", "right"]) {
        const a = (await settled(stores.objectStore("a").get(lane))) as { number: number } | undefined;
        const b = (await settled(stores.objectStore("b").get(lane))) as { number: number } | undefined;
        t.equal(a?.number, b?.number, "both halves of the transaction");
      }
    }
  };
  const looking = look();
  await Promise.all([write("left"), write("right")]);
  isWriting = false;
  await looking;
  await durable.flush();
  const restored = await openDurableIndexedDb(kept);
  t.strictSame(await dumpDatabases(restored.factory), await dumpDatabases(durable.factory));
  kept.close();
});

t.test("what is given to a flush is written with it", async (t) => {
  const kept = openBotStore(t.testdir());
  const durable = await openDurableIndexedDb(kept);
  const connection = await open(durable.factory, "one", 1, makeStores);
  const put = async (id: string): Promise<void> => {
    const transaction = connection.transaction("b", "readwrite");
    transaction.objectStore("b").put({ id });
    await committed(transaction);
  };
  const rows = (): number => [...kept.entries("indexeddb")].length;

  await put("first");
  await durable.flush(() => kept.put("sync", "token", "1"));
  t.equal(Buffer.from(kept.get("sync", "token") ?? []).toString(), "1");
  const before = rows();

  await put("second");
  await t.rejects(
    durable.flush(() => {
      kept.put("sync", "token", "2");
      throw new Error("the disk is full");
    }),
  );
  t.equal(
    Buffer.from(kept.get("sync", "token") ?? []).toString(),
    "1",
    "nothing of a flush that fails is kept",
  );
  t.equal(rows(), before);
  await durable.flush();
  t.equal(rows(), before + 1, "the next flush writes what the failed one could not");

  const order: number[] = [];
  await Promise.all([1, 2, 3, 4].map((number) => durable.flush(() => order.push(number))));
  t.strictSame(order, [1, 2, 3, 4], "flushes at the same time all do their work, in order");
  kept.close();
});

t.test("a flush reaches the store only when something has changed", async (t) => {
  const kept = openBotStore(t.testdir());
  let transactions = 0;
  const counting = {
    ...kept,
    transaction: <T>(work: () => T): T => {
      transactions += 1;
      return kept.transaction(work);
    },
  };
  const durable = await openDurableIndexedDb(counting);
  const connection = await open(durable.factory, "one", 1, makeStores);
  await durable.flush();
  t.equal(transactions, 1);
  const reading = connection.transaction("a", "readonly");
  await settled(reading.objectStore("a").getAll());
  await durable.flush();
  t.equal(transactions, 1, "reading changes nothing");
  kept.close();
});

t.test("a damaged row is a fault of the start", async (t) => {
  const kept = openBotStore(t.testdir());
  kept.put("indexeddb", JSON.stringify(["schema", "one"]), Buffer.from("no"));
  await t.rejects(openDurableIndexedDb(kept));
  kept.close();
});
