// SPDX-License-Identifier: Apache-2.0
// Tests a token that another system writes too: our per-key writes count and date as its own do, and a deletion leaves its
// tombstone.
import t from "tap";
import { someKeys } from "../pkcs11/kill-points.ts";
import { tokenFixture, type WatchedStore } from "../pkcs11/token-fixture.ts";

t.setTimeout(590_000);

const PATH = "secrets/a/db";
const THEN = "2024-01-01T00:00:00Z";

const labelsOf = async (store: WatchedStore): Promise<Record<string, string> | undefined> => {
  const read = await store.read(PATH);
  return read.kind === "found" ? read.metadata.labels : undefined;
};

const objectsOf = async (store: WatchedStore): Promise<number> => {
  const info = await store.info();
  return info.kind === "info" ? info.objects : -1;
};

t.test("what another system reads of our writes", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  const labels = { "sync.version": "4", "sync.timestamp": THEN, team: "a" };
  await token.putPerKey(PATH, { user: "1", pass: "2" }, { description: "d", labels });
  const store = openStore({ writes: { layout: "per-key" } });
  const patch = { type: "patch", data: new Map([["pass", Buffer.from("3")]]) } as const;
  t.match(await store.change(PATH, patch), { kind: "written", version: 5 });
  const after = await labelsOf(store);
  t.match(after, { "sync.version": "5", team: "a" });
  t.ok(
    Date.parse(after?.["sync.timestamp"] ?? "") > Date.parse(THEN),
    "the time of the write is a newer one",
  );

  t.match(await store.change(PATH, { type: "delete" }), { kind: "deleted" });
  t.match(await store.read(PATH), { kind: "absent" });
  t.equal(await objectsOf(store), 1, "a tombstone is left");
  t.match(await store.change(PATH, { type: "put", data: someKeys(["user"]) }), {
    kind: "written",
    outcome: "created",
    version: 7,
  });
  t.match(await labelsOf(store), { "sync.version": "7" }, "which a new secret counts from");
  t.equal(await objectsOf(store), 2);
});

t.test("a path that is a bare name, as the other system has it", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  const labels = { "sync.version": "4", "sync.timestamp": THEN };
  await token.putPerKey("db", { user: "1" }, { labels });
  await token.putPerKey("db-prod", { user: "2" }, { labels });
  const store = openStore({ writes: { layout: "per-key" } });
  t.match(await store.list(""), { secrets: [{ path: "db", version: 4 }, { path: "db-prod" }] });
  const patch = { type: "patch", data: new Map([["user", Buffer.from("3")]]) } as const;
  t.match(await store.change("db", patch), { kind: "written", version: 5 });
  t.match(await store.change("db", { type: "delete" }), { kind: "deleted" });
  t.match(await store.read("db-prod"), { kind: "found", version: 4 }, "the other one is not concerned");
});

t.test("a secret that no other system writes leaves nothing", async (t) => {
  const { openStore } = await tokenFixture(t);
  const store = openStore({ writes: { layout: "per-key" } });
  await store.change(PATH, { type: "put", data: someKeys(["user"]) });
  t.same(await labelsOf(store), { "sync.version": "1" });
  await store.change(PATH, { type: "delete" });
  t.equal(await objectsOf(store), 0);
});

t.test("a tombstone that does not fit does not stop a deletion", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  const labels = { "sync.version": "4", "sync.timestamp": THEN };
  await token.putPerKey(PATH, { user: "1" }, { labels });
  const store = openStore({ writes: { layout: "per-key", maxObjects: 3 } });
  t.match(await store.change(PATH, { type: "delete" }), { kind: "deleted" });
  t.match(await store.read(PATH), { kind: "absent" });
});
