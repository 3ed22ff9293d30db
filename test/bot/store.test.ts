// SPDX-License-Identifier: Apache-2.0
// Tests the bot's store: what is committed outlives a kill, nothing half-written is left, and a second process is refused.
import { fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { type BotStore, openBotStore, StoreInUse } from "../../server/bot/store.ts";

const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();

t.test("keeps values by area and key", async (t) => {
  const folder = t.testdir();
  const store = openBotStore(folder);
  store.put("session", "a", "1");
  store.put("session", "a", "2");
  store.put("sync", "a", Buffer.from([0, 255]));
  store.put("sync", "b", "x");
  t.equal(text(store.get("session", "a")), "2");
  t.same([...(store.get("sync", "a") ?? [])], [0, 255]);
  t.equal(store.get("session", "b"), undefined);
  t.same(
    [...store.entries("sync")].map(([key]) => key),
    ["a", "b"],
  );
  store.delete("sync", "a");
  t.equal(store.get("sync", "a"), undefined);
  store.close();
  const again = openBotStore(folder);
  t.equal(text(again.get("session", "a")), "2");
  again.clear("session");
  t.equal(again.get("session", "a"), undefined);
  t.equal(text(again.get("sync", "b")), "x");
  again.close();
});

t.test("is nobody else's to read, in a folder that others may look into", async (t) => {
  const folder = t.testdir();
  chmodSync(folder, 0o755);
  const store = openBotStore(folder);
  store.put("session", "a", "1");
  for (const name of readdirSync(folder)) t.equal(statSync(join(folder, name)).mode & 0o077, 0, name);
  store.close();
});

t.test("says which file it is that is no store", async (t) => {
  const folder = t.testdir({ "keyswitch.db": "not a database ".repeat(100) });
  t.throws(() => openBotStore(folder), { message: /\/keyswitch\.db can't be used as the bot's store: / });
});

t.test("takes a transaction back as a whole when it throws", async (t) => {
  const store = openBotStore(t.testdir());
  store.put("sync", "a", "before");
  t.throws(
    () =>
      store.transaction(() => {
        store.put("sync", "a", "after");
        store.transaction(() => store.put("sync", "b", "inner"));
        throw new RangeError("stop");
      }),
    RangeError,
  );
  t.equal(text(store.get("sync", "a")), "before");
  t.equal(store.get("sync", "b"), undefined);
  t.equal(
    store.transaction(() => "value"),
    "value",
  );
  store.close();
});

/** Nobody can look at what has reached the disk; SQLite waits for it in a transaction that adds to its log. */
const settled: [sentence: string, act: (store: BotStore) => void][] = [
  ["settling", (store) => store.settle()],
  ["a transaction", (store) => store.transaction(() => store.put("session", "a", "1"))],
  ["a transaction that changes nothing", (store) => store.transaction(() => {})],
];
for (const [sentence, act] of settled) {
  t.test(`what is written soon is on the disk after ${sentence}, once`, async (t) => {
    const folder = t.testdir();
    const store = openBotStore(folder);
    const log = () => statSync(join(folder, "keyswitch.db-wal")).size;
    store.put("session", "a", "1");
    store.transaction(() => store.put("sync", "a", "soon"), "soon");
    const before = log();
    act(store);
    t.ok(log() > before, "something changed, for which SQLite waits for the disk");
    const after = log();
    store.settle();
    t.equal(log(), after);
    store.close();
  });
}

t.test("each process that opens it settles what it wrote", async (t) => {
  const folder = t.testdir();
  for (const value of ["first", "second", "third"]) {
    const store = openBotStore(folder);
    store.put("session", "a", value);
    store.put("sync", "a", value, "soon");
    const { size } = statSync(join(folder, "keyswitch.db-wal"));
    store.settle();
    t.ok(statSync(join(folder, "keyswitch.db-wal")).size > size, value);
    store.close();
  }
});

t.test("refuses a second process, and is free again once the first is killed", async (t) => {
  const folder = t.testdir();
  const holder = fork(new URL("./store-holder.ts", import.meta.url), [folder], {
    stdio: "ignore",
    serialization: "json",
    execArgv: [],
  });
  t.teardown(() => holder.kill("SIGKILL"));
  await once(holder, "message", { signal: AbortSignal.timeout(60_000) });
  try {
    openBotStore(folder).close();
    t.fail("a second process must not get it");
  } catch (error) {
    t.ok(error instanceof StoreInUse);
  }
  const gone = once(holder, "exit");
  holder.kill("SIGKILL");
  await gone;
  const store = openBotStore(folder);
  t.equal(text(store.get("sync", "committed")), "yes", "what was committed outlives the kill");
  t.equal(text(store.get("sync", "soon")), "yes", "so does what was put without waiting for the disk");
  t.equal(store.get("sync", "open"), undefined, "a transaction that was cut leaves nothing");
  const log = () => statSync(join(folder, "keyswitch.db-wal")).size;
  const before = log();
  store.settle();
  t.ok(log() > before, "what a killed process did not wait for can be settled");
  store.close();
});
