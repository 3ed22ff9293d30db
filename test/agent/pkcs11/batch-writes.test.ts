// SPDX-License-Identifier: Apache-2.0
// Tests many changes in one go on a real token: few listings, each change on its own, and a kill at any call leaves no secret half.
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import type { ChangeResult, PathChange } from "../../../server/agent/store.ts";
import { type Keys, someKeys } from "./kill-points.ts";
import { tokenFixture, type WatchedStore } from "./token-fixture.ts";

t.setTimeout(590_000);

const put = (path: string, data: Keys): PathChange => ({
  path,
  change: { type: "put", data },
  precondition: { ifNoneMatch: "*" },
});
const manyAt = (folder: string, count: number): { path: string; data: Keys }[] =>
  Array.from({ length: count }, (_, at) => ({
    path: `secrets/${folder}/s${at}`,
    data: someKeys(["a", "b"]),
  }));

const changeAll = async (store: WatchedStore, changes: readonly PathChange[]): Promise<ChangeResult[]> => {
  if (store.changeAll === undefined) throw new Error("the store has no changeAll");
  return store.changeAll(changes);
};
const outcomes = (results: readonly ChangeResult[]): string[] =>
  results.map((result) => (result.kind === "written" ? result.outcome : result.kind));

t.test("new secrets share their listings, and read back", async (t) => {
  const { openStore, module } = await tokenFixture(t);
  const store = openStore();
  await store.change("secrets/many/before", { type: "put", data: someKeys(["a"]) });
  const secrets = manyAt("many", 50);
  module.forgetCalls();
  const results = await changeAll(
    store,
    secrets.map(({ path, data }) => put(path, data)),
  );
  t.same(outcomes(results), Array(50).fill("created"));
  t.equal(module.calls("C_CreateObject"), 50);
  t.equal(module.calls("C_DestroyObject"), 0);
  t.ok(module.calls("C_FindObjectsInit") <= 2, `${module.calls("C_FindObjectsInit")} listings`);
  for (const { path, data } of secrets) t.match(await store.read(path), { checksum: checksum(data) });
  t.match(await store.info(), { objects: 51 });
  const again = await changeAll(
    store,
    secrets.slice(0, 3).map(({ path, data }) => put(path, data)),
  );
  t.same(outcomes(again), Array(3).fill("precondition"));
});

t.test("new secrets of many objects share their listings, each with a journal of its own", async (t) => {
  const { openStore, module } = await tokenFixture(t);
  const store = openStore({ writes: { layout: "per-key" } });
  await store.change("secrets/many/before", { type: "put", data: someKeys(["a"]) });
  const secrets = manyAt("many", 20);
  module.forgetCalls();
  const results = await changeAll(
    store,
    secrets.map(({ path, data }) => put(path, data)),
  );
  t.same(outcomes(results), Array(20).fill("created"));
  t.equal(module.calls("C_CreateObject"), 20 * 4, "journal, metadata and two keys");
  t.equal(module.calls("C_DestroyObject"), 20, "the journals");
  t.ok(module.calls("C_FindObjectsInit") <= 3, `${module.calls("C_FindObjectsInit")} listings`);
  for (const { path, data } of secrets) {
    t.match(await store.read(path), { checksum: checksum(data), layout: "per-key" });
  }
  t.match(await store.info(), { objects: 2 + 20 * 3 });
});

t.test("journals of others don't fill a token on which each secret has room for its own", async (t) => {
  const { openStore } = await tokenFixture(t);
  // Three secrets of three objects, the last one's journal, and one place that stays free.
  const store = openStore({ writes: { layout: "per-key", maxObjects: 11 } });
  const results = await changeAll(
    store,
    manyAt("narrow", 4).map(({ path, data }) => put(path, data)),
  );
  t.same(outcomes(results), ["created", "created", "created", "refused"]);
  t.match(await store.info(), { objects: 9 });
});

t.test(
  "an object that the token does not take leaves nothing of its secret, and all of the others",
  async (t) => {
    const { openStore, module } = await tokenFixture(t);
    const store = openStore({ writes: { layout: "per-key" } });
    const secrets = manyAt("lacking", 3);
    await store.refresh();
    // Three journals and nine objects are one too many: the last secret is taken back, and fits once the journals are gone.
    module.control("room 11 0x31");
    const results = await changeAll(
      store,
      secrets.map(({ path, data }) => put(path, data)),
    );
    module.control();
    t.same(outcomes(results), ["created", "created", "created"], "written again by itself");
    for (const { path, data } of secrets) t.match(await store.read(path), { checksum: checksum(data) });
    t.match(await store.info(), { objects: 9 });
  },
);

t.test(
  "a secret below another's path, of which a key has its label, is refused before anything of it is made",
  async (t) => {
    const { openStore, module } = await tokenFixture(t);
    const store = openStore({ writes: { layout: "per-key" } });
    await store.refresh();
    module.forgetCalls();
    const write = (path: string, key: string): PathChange => ({
      ...put(path, someKeys([key])),
      precondition: {},
    });
    const results = await changeAll(store, [write("secrets/met/app", "b"), write("secrets/met/app/b", "c")]);
    t.match(results, [{ outcome: "created" }, { kind: "refused", code: "PATH_AMBIGUOUS" }]);
    t.equal(module.calls("C_CreateObject"), 3, "of the first alone: journal, metadata and key");
  },
);

t.test("those that replace or remove something go on their own between the others", async (t) => {
  const { openStore } = await tokenFixture(t);
  for (const layout of ["packed", "per-key"] as const) {
    const store = openStore({ writes: { layout } });
    const path = (name: string): string => `secrets/${layout}/${name}`;
    await store.change(path("old"), { type: "put", data: someKeys(["a"]) });
    await store.change(path("gone"), { type: "put", data: someKeys(["a"]) });
    const replaced = someKeys(["a", "c"]);
    const results = await changeAll(store, [
      put(path("new"), someKeys(["a"])),
      { path: path("old"), change: { type: "put", data: replaced }, precondition: {} },
      { path: path("gone"), change: { type: "delete" }, precondition: {} },
      { path: path("nothing"), change: { type: "delete" }, precondition: {} },
      put(path("newer"), someKeys(["a"])),
    ]);
    t.same(outcomes(results), ["created", "changed", "deleted", "absent", "created"]);
    t.match(await store.read(path("old")), { checksum: checksum(replaced) });
    t.match(await store.read(path("gone")), { kind: "absent" });
    await store.close();
  }
});

t.test("a token that is full takes those that fit, and tells of the others", async (t) => {
  const { openStore, module } = await tokenFixture(t);
  const store = openStore({ writes: { layout: "packed", maxObjects: 4 } });
  const results = await changeAll(
    store,
    manyAt("full", 6).map(({ path, data }) => put(path, data)),
  );
  t.same(outcomes(results), ["created", "created", "created", "refused", "refused", "refused"]);
  t.equal(module.calls("C_CreateObject"), 3, "one place stays free");
});

for (const layout of ["packed", "per-key"] as const) {
  t.test(`${layout}: what the token does not show is taken back`, async (t) => {
    const { openStore, module } = await tokenFixture(t);
    const store = openStore({ writes: { layout } });
    const changes = manyAt("hidden", 2).map(({ path, data }) => put(path, data));
    await store.change("secrets/many/before", { type: "put", data: someKeys(["a"]) });

    module.control("conceal always");
    t.match(await changeAll(store, changes), [{ code: "WRITE_NOT_SHOWN" }, { code: "WRITE_NOT_SHOWN" }]);
    module.control();
    module.reveal();
    await store.refresh();
    t.match(await store.info(), { objects: layout === "packed" ? 1 : 2 });
  });
}

t.test("a module that caches has them one after another, each confirmed by another process", async (t) => {
  const { openStore } = await tokenFixture(t);
  const store = openStore({ pkcs11: { cache: "cached" } });
  const secrets = manyAt("cached", 2);
  const results = await changeAll(
    store,
    secrets.map(({ path, data }) => put(path, data)),
  );
  t.same(outcomes(results), ["created", "created"]);
  t.same(store.starts, ["start", "refresh", "refresh"]);
  for (const { path, data } of secrets) t.match(await store.read(path), { checksum: checksum(data) });
});

t.test("a store that is read-only refuses them all", async (t) => {
  const { openStore } = await tokenFixture(t);
  const changes = manyAt("refused", 2).map(({ path, data }) => put(path, data));
  t.same(outcomes(await changeAll(openStore({ writes: false }), changes)), ["unavailable", "unavailable"]);
});

for (const layout of ["packed", "per-key"] as const) {
  t.test(`${layout}: a kill leaves each secret whole or absent, and no leftovers`, async (t) => {
    const { openStore, module } = await tokenFixture(t);
    const store = openStore({ writes: { layout } });
    /** Makes two secrets, with the child killed in `place`, and looks at what the next one shows; answers the calls. */
    const tryAt = async (place: string): Promise<{ isKilled: boolean; calls: string[] }> => {
      const secrets = manyAt(`kill-${place.replace(" ", "-")}`, 2);
      const changes = secrets.map(({ path, data }) => put(path, data));
      await store.refresh();
      module.forgetCalls();
      if (place !== "none") module.control(`kill ${place}`);
      const results = await changeAll(store, changes);
      module.control();
      const calls = module.allCalls();
      await store.refresh();
      const isMade = outcomes(results).every((outcome) => outcome === "created");
      if (!isMade) t.same(outcomes(results), ["uncertain", "uncertain"]);
      for (const { path, data } of secrets) {
        const read = await store.read(path);
        if (isMade || read.kind !== "absent") {
          t.match(read, { kind: "found", checksum: checksum(data) }, path);
        }
        await store.change(path, { type: "delete" });
      }
      t.match(await store.info(), { objects: 0 }, place);
      return { isKilled: !isMade, calls };
    };
    const { calls } = await tryAt("none");
    const changing = calls.filter((name) => name === "C_CreateObject" || name === "C_DestroyObject");
    t.equal(changing.length, layout === "packed" ? 2 : 10);
    // Between two calls that change the token it is the same; what follows on the last that creates is the look that all have to pass.
    const last = calls.lastIndexOf("C_CreateObject") + 1;
    const looks = calls.slice(last).map((_, at) => `any ${last + at + 1}`);
    const places = [
      ...changing.map((_, at) => `changing ${at + 1}`),
      ...looks.filter((_, at) => at % (layout === "packed" ? 3 : 9) === 0),
    ];
    const tries = [];
    for (const place of places) tries.push(await tryAt(place));
    t.ok(tries.filter(({ isKilled }) => isKilled).length >= changing.length + 2, `${places.length} places`);
  });
}
