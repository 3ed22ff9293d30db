// SPDX-License-Identifier: Apache-2.0
// Tests writes that a token rejects or does not show afterwards: they fail with the reason and leave the token as it was.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { someKeys } from "../pkcs11/kill-points.ts";
import { tokenFixture, type WatchedStore } from "../pkcs11/token-fixture.ts";

t.setTimeout(590_000);

const PATH = "secrets/shop/db";

const objectsOf = async (store: WatchedStore): Promise<number> => {
  const info = await store.info();
  return info.kind === "info" ? info.objects : -1;
};

/** Asserts that the secret is what it was, and that nothing is left over, as a store of its own sees it. */
const isAsBefore = async (t: Test, store: WatchedStore, before: { checksum: string }, objects: number) => {
  await store.refresh();
  t.match(await store.read(PATH), { kind: "found", checksum: before.checksum });
  t.equal(await objectsOf(store), objects);
};

for (const layout of ["packed", "per-key"] as const) {
  const own = layout === "packed" ? 1 : 3;

  t.test(`${layout}: a token that is full`, async (t) => {
    const { module, openStore } = await tokenFixture(t);
    const store = openStore({ writes: { layout } });
    const first = await store.change(PATH, { type: "put", data: someKeys(["a", "b"]) });
    if (first.kind !== "written") return t.fail("not written");
    for (const room of Array.from({ length: own + 1 }, (_, more) => own + more)) {
      module.control(`room ${room} 5`);
      const fresh = openStore({ writes: { layout } });
      const result = await fresh.change(PATH, { type: "put", data: someKeys(["a", "b"]) });
      if (layout === "packed" && room > own) {
        t.match(result, { kind: "written" }, "one more is enough");
        break;
      }
      t.match(result, { kind: "refused", code: "TOKEN_FULL", message: /CKR_GENERAL_ERROR/ });
      await isAsBefore(t, fresh, first, own);
      module.forgetCalls();
      const again = await fresh.change(PATH, { type: "put", data: someKeys(["a", "b"], 4096) });
      t.match(again, { kind: "refused", code: "TOKEN_FULL", message: new RegExp(`of ${room} data objects`) });
      t.equal(module.calls("C_CreateObject"), 0, "what is known not to fit is not tried");
      t.match(await fresh.info(), { objectLimit: room, objectLimitSource: "learned" });
    }
  });

  t.test(`${layout}: a token that takes a write and does not show it`, async (t) => {
    const { module, openStore } = await tokenFixture(t);
    const store = openStore({ writes: { layout } });
    const first = await store.change(PATH, { type: "put", data: someKeys(["a", "b"]) });
    if (first.kind !== "written") return t.fail("not written");
    module.control("conceal always");
    const result = await store.change(PATH, { type: "put", data: someKeys(["a", "b"]) });
    t.match(result, { kind: "refused", code: "WRITE_NOT_SHOWN", message: /did not show it/ });
    module.control();
    module.reveal();
    await isAsBefore(t, store, first, own);
    const fresh = openStore({ writes: { layout } });
    t.match(await fresh.change(PATH, { type: "put", data: someKeys(["a", "b"]) }), { kind: "written" });
  });

  t.test(`${layout}: a module that caches, and a token that keeps nothing of a write`, async (t) => {
    const { module, openStore } = await tokenFixture(t);
    module.control("manufacturer other");
    const store = openStore({ writes: { layout } });
    const first = await store.change(PATH, { type: "put", data: someKeys(["a", "b"]) });
    t.match(first, { kind: "written", outcome: "created" });
    if (first.kind !== "written") return;
    t.match(await store.read(PATH), { kind: "found", checksum: first.checksum });
    t.ok(store.starts.includes("refresh"), "another process has looked");
    module.control("manufacturer other", "conceal later");
    const result = await store.change(PATH, { type: "put", data: someKeys(["a", "b"]) });
    t.match(result, { kind: "refused", code: "WRITE_NOT_SHOWN", message: /loaded anew/ });
    module.control("manufacturer other");
    module.reveal();
    await isAsBefore(t, store, first, own);
  });
}

t.test("limits that are configured are known before anything is tried", async (t) => {
  const { module, openStore } = await tokenFixture(t);
  const store = openStore({ writes: { layout: "per-key", maxObjects: 5, maxObjectBytes: 512 } });
  const first = await store.change(PATH, { type: "put", data: someKeys(["a"]) });
  if (first.kind !== "written") return t.fail("not written");
  module.forgetCalls();
  const rows: [string, ReadonlyMap<string, Uint8Array>, object][] = [
    [
      "too many keys",
      someKeys(["a", "b", "c"]),
      { code: "TOKEN_FULL", message: /2 of 5 data objects \(configured\)/ },
    ],
    [
      "too large a value",
      someKeys(["a"], 513),
      { code: "SECRET_TOO_LARGE", message: /513 bytes .* takes 512/ },
    ],
    [
      "too long a label",
      someKeys(["k".repeat(250)]),
      { code: "SECRET_TOO_LARGE", message: /266 bytes .* takes 255/ },
    ],
  ];
  for (const [what, data, refusal] of rows) {
    t.match(await store.change(PATH, { type: "put", data }), { kind: "refused", ...refusal }, what);
  }
  t.equal(module.calls("C_CreateObject") + module.calls("C_DestroyObject"), 0);
  await isAsBefore(t, store, first, 2);
});

t.test("an object that two paths could mean is left alone", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  await token.putObjects([{ label: "secrets/shop/db/pass", value: randomBytes(8) }]);
  const store = openStore();
  for (const type of ["put", "delete"] as const) {
    const change = type === "put" ? { type, data: someKeys(["a"]) } : { type };
    t.match(await store.change("secrets/shop/db/pass", change), {
      kind: "refused",
      code: "PATH_AMBIGUOUS",
      message: /secrets\/shop\/db\/pass would belong to this secret and to secrets\/shop\/db/,
    });
  }
  t.match(await store.read("secrets/shop/db"), { kind: "found" });
  const perKey = openStore({ writes: { layout: "per-key" } });
  t.match(await perKey.change("secrets/shop", { type: "put", data: someKeys(["db2"]) }), {
    code: "PATH_AMBIGUOUS",
  });
});

t.test("preconditions", async (t) => {
  const { openStore } = await tokenFixture(t);
  const store = openStore();
  const put = () => ({ type: "put", data: someKeys(["a"]) }) as const;
  t.match(await store.change(PATH, put(), { ifMatch: "*" }), { kind: "precondition", before: null });
  const first = await store.change(PATH, put(), { ifNoneMatch: "*" });
  if (first.kind !== "written") return t.fail("not written");
  t.match(await store.change(PATH, put(), { ifNoneMatch: "*" }), {
    kind: "precondition",
    before: first.checksum,
  });
  t.match(await store.change(PATH, put(), { ifMatch: [first.checksum] }), { kind: "written", version: 2 });
  t.match(await store.change(PATH, { type: "delete" }, { ifMatch: [first.checksum] }), {
    kind: "precondition",
  });
});

t.test("a store without writes is read-only", async (t) => {
  const { module, openStore } = await tokenFixture(t);
  const store = openStore({ writes: false });
  module.forgetCalls();
  t.match(await store.change(PATH, { type: "put", data: someKeys(["a"]) }), { kind: "unavailable" });
  t.match(await store.setPin("1", "2"), { kind: "unavailable" });
  t.equal(module.calls("C_CreateObject") + module.calls("C_SetPIN"), 0);
});

t.test("a token that is write-protected is read all the same", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { a: randomBytes(8) });
  module.control("fail C_OpenSession e2 1");
  const store = openStore();
  t.match(await store.read(PATH), { kind: "found" });
  t.match(await store.change(PATH, { type: "put", data: someKeys(["b"]) }), {
    kind: "unavailable",
    code: "TOKEN_UNAVAILABLE",
    message: /write-protected/,
  });
  t.match(await store.read(PATH), { kind: "found" });
  t.same(store.starts, ["start"], "no process was lost over it");
});
