// SPDX-License-Identifier: Apache-2.0
// Tests the repair of unreadable objects and of names that earlier versions have damaged: isolated, counted, repaired.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { encodePacked } from "../../../../server/agent/storage/packed.ts";
import type { Keys } from "../kill-points.ts";
import { someKeys } from "../kill-points.ts";
import type { WatchedStore } from "../token-fixture.ts";
import { type CardFixture, cardFixture, cardTest, ready } from "./card-fixture.ts";

t.setTimeout(590_000);

const DELETE = 0xe4;
const READ = 0xb1;

/** Writes a data object as any other program does. */
const writeObject = async (
  t: Test,
  { way, pin }: CardFixture,
  { label, application, value }: { label: string; application: string; value: Uint8Array },
): Promise<void> => {
  const dir = mkdtempSync(join(tmpdir(), "keyswitch-object-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, "value"), value, { mode: 0o600 });
  const names = ["--label", label, "--application-label", application];
  const what = ["--write-object", join(dir, "value"), "--type", "data", "--private", ...names];
  const args = ["--module", way.module, "--login", "--pin", "env:PIN", ...what];
  const tool = spawn("pkcs11-tool", args, {
    env: { ...process.env, ...way.env, PIN: pin },
    stdio: "ignore",
  });
  const [code] = await once(tool, "exit");
  if (code !== 0) throw new Error(`pkcs11-tool ended with ${code}`);
};

const put = (data: Keys) => ({ type: "put", data }) as const;

const kindOf = async (store: WatchedStore, path: string): Promise<string> => {
  const read = await store.read(path);
  return read.kind === "unavailable" ? read.code : read.kind;
};

/** The numbers of the data objects on the card. */
const ids = ({ card }: CardFixture): number[] =>
  [...card.memory.files.keys()].filter((fid) => fid >> 8 === 0xc9).map((fid) => fid & 0xff);

/** What a removal that was cut leaves: the description without the value. */
const halfDelete = ({ card }: CardFixture, id: number): void => {
  card.memory.files.delete(0xcd00 | id);
};

cardTest("an object that can't be read takes its own secret down, and nothing else", async (t) => {
  const fixture = await cardFixture(t);
  const store = fixture.openStore();
  await ready(store);
  await store.change("secrets/a/good", put(someKeys(["a"])));
  const before = ids(fixture);
  await store.change("secrets/a/bad", put(someKeys(["a"])));
  for (const id of ids(fixture).filter((one) => !before.includes(one))) halfDelete(fixture, id);
  await store.refresh();
  t.equal(await kindOf(store, "secrets/a/bad"), "STORAGE_INVALID", "and it is not absent");
  t.equal(await kindOf(store, "secrets/a/good"), "found");
  const list = await store.list("");
  t.match(list, { kind: "listed", secrets: [{ path: "secrets/a/good" }], invalid: ["secrets/a/bad"] });
  t.match(await store.info(), { unreadableObjects: 1, damagedNames: 0 });
  const starts = store.starts.length;
  t.match(await store.change("secrets/a/good", put(someKeys(["a"]))), { kind: "written" });
  t.equal(store.starts.length, starts + 1, "one more load, to confirm the write");

  t.match(await store.repair(true), {
    results: [{ label: "secrets/a/bad", problem: "unreadable", outcome: "would-repair" }],
  });
  t.match(await store.repair(false), {
    results: [{ label: "secrets/a/bad", outcome: "failed", message: /hsm-setup\.md/ }],
  });
  const rewritten = await store.change("secrets/a/bad", put(someKeys(["b"])));
  t.match(rewritten, { kind: "written" }, "a whole secret beside it counts");
  t.equal(await kindOf(store, "secrets/a/bad"), "found");
  t.match(await store.change("secrets/a/bad", { type: "delete" }), { kind: "deleted" });
  await store.refresh();
  t.equal(await kindOf(store, "secrets/a/bad"), "absent", "and it can be deleted");
});

cardTest("an old version that was removed in part does not matter", async (t) => {
  const fixture = await cardFixture(t);
  const store = fixture.openStore();
  await ready(store);
  await store.change("secrets/a/db", put(someKeys(["a"])));
  fixture.card.failAt(2, 0x6f00, ({ ins }) => ins === DELETE);
  const second = await store.change("secrets/a/db", put(someKeys(["a"])));
  t.match(second, { kind: "written" }, "it is in force before the old one goes");
  await store.refresh();
  t.match(await store.read("secrets/a/db"), { checksum: second.kind === "written" ? second.checksum : "" });
  t.match(await store.info(), { unreadableObjects: 1 });
  t.match(await store.change("secrets/a/db", put(someKeys(["a"]))), { kind: "written" });
});

cardTest("a value that can't be read once is read after a new log-in", async (t) => {
  const { card, openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  await store.change("secrets/a/one", put(someKeys(["a"])));
  await store.change("secrets/a/two", put(someKeys(["a"])));
  let reads = 0;
  // The last two values that a load reads.
  card.failAt(1, 0x6982, ({ ins, dataBytes }) => {
    if (ins === READ && dataBytes === 4) reads += 1;
    return ins === READ && reads >= 8;
  });
  await store.refresh();
  t.equal(await kindOf(store, "secrets/a/one"), "found");
  t.equal(await kindOf(store, "secrets/a/two"), "found");
  t.match(await store.info(), { unreadableObjects: 0 });
});

cardTest("an empty value that has not outlived the power is an object that can't be read", async (t) => {
  const fixture = await cardFixture(t);
  const store = fixture.openStore();
  await ready(store);
  const names = { label: "secrets/a/db/empty", application: "hsm-secrets-operator" };
  await writeObject(t, fixture, { ...names, value: new Uint8Array() });
  await writeObject(t, fixture, { ...names, label: "secrets/a/other/a", value: Buffer.from("1") });
  await store.refresh();
  t.equal(await kindOf(store, "secrets/a/db"), "found", "as long as it is");
  fixture.card.unplug();
  await store.healthIs(false);
  fixture.card.plug();
  await ready(store);
  t.equal(await kindOf(store, "secrets/a/db"), "STORAGE_INVALID");
  t.equal(await kindOf(store, "secrets/a/other"), "found");
});

cardTest("names with a tail are read, counted, and repaired at the next write", async (t) => {
  const fixture = await cardFixture(t);
  const store = fixture.openStore();
  await ready(store);
  const value = (keys: Keys) => encodePacked({ version: 3, keys, metadata: {} })[0] ?? new Uint8Array();
  const tail = "=a\x7f";
  for (const path of ["secrets/a/one", "secrets/a/two"]) {
    const object = {
      label: `${path}${tail}`,
      application: `keyswitch/1${tail}`,
      value: value(someKeys(["a"])),
    };
    await writeObject(t, fixture, object);
  }
  const perKey = { label: "secrets/a/key/pass\x01", application: `hsm-secrets-operator${tail}` };
  await writeObject(t, fixture, { ...perKey, value: Buffer.from("secret") });
  await store.refresh();
  for (const path of ["secrets/a/one", "secrets/a/two", "secrets/a/key"]) {
    t.equal(await kindOf(store, path), "found", path);
  }
  t.match(await store.info(), { damagedNames: 3, objects: 3 });
  t.match(await store.change("secrets/a/one", put(someKeys(["b"]))), { kind: "written", version: 4 });
  t.match(await store.info(), { damagedNames: 2, objects: 3 });
  const kept = await store.read("secrets/a/two");
  const dry = await store.repair(true);
  t.match(dry, {
    results: [{ problem: "damaged-name", outcome: "would-repair" }, { outcome: "would-repair" }],
  });
  const { results } = { results: [], ...(await store.repair(false)) };
  t.same(
    results.map(({ label, outcome }) => [label, outcome]),
    [
      ["secrets/a/two", "repaired"],
      ["secrets/a/key", "repaired"],
    ],
  );
  t.match(await store.info(), { damagedNames: 0 });
  t.match(await store.read("secrets/a/two"), { checksum: kept.kind === "found" ? kept.checksum : "" });
  t.match(await store.read("secrets/a/key"), { kind: "found", layout: "per-key" });
});
