// SPDX-License-Identifier: Apache-2.0
// Tests reads and lists of a real SoftHSM2 token through the child process.
import { randomBytes } from "node:crypto";
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { eventually } from "../../../scripts/local/eventually.ts";
import type { ReadResult } from "../../../server/agent/store.ts";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);
const text = (result: ReadResult): Record<string, string> | string =>
  result.kind === "found"
    ? Object.fromEntries([...result.data].map(([key, value]) => [key, Buffer.from(value).toString()]))
    : result.kind === "unavailable"
      ? result.code
      : result.kind;
const secret = (): string => randomBytes(12).toString("hex");

for (const layout of ["per-key", "packed"] as const) {
  t.test(`${layout}: db never sees a key of db-prod`, async (t) => {
    const { token, openStore } = await tokenFixture(t);
    const put = layout === "packed" ? token.putPacked : token.putPerKey;
    const [small, prod] = [{ user: secret() }, { user: secret(), pass: secret() }];
    await put("secrets/a/db", small);
    await put("secrets/a/db-prod", prod);
    const store = openStore({ direct: true });
    t.same(text(await store.read("secrets/a/db")), small, "read of db");
    t.same(text(await store.read("secrets/a/db-prod")), prod, "read of db-prod");
    const list = await store.list("secrets/a/db");
    if (list.kind !== "listed") return t.fail(`list is ${list.kind}`);
    const sum = (keys: Record<string, string>): string =>
      checksum(Object.entries(keys).map(([key, value]) => [key, Buffer.from(value)] as const));
    const version = layout === "packed" ? 1 : 0;
    t.same(list.secrets, [
      { path: "secrets/a/db", keys: ["user"], bytes: 24, checksum: sum(small), version, layout },
      { path: "secrets/a/db-prod", keys: ["pass", "user"], bytes: 48, checksum: sum(prod), version, layout },
    ]);
    await token.remove("secrets/a/db");
    t.equal(text(await store.read("secrets/a/db")), "absent", "db is gone");
    t.same(text(await store.read("secrets/a/db-prod")), prod, "db-prod is not");
  });
}

t.test("300 secrets on one token are all found", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  const values = new Map(Array.from({ length: 300 }, (_, n) => [`secrets/ns-${n % 7}/s-${n}`, secret()]));
  await token.putObjects(
    [...values].flatMap(([path, value]) => [
      { label: `${path}/value`, value: Buffer.from(value) },
      { label: `${path}/same`, value: Buffer.from(value) },
    ]),
  );
  const store = openStore({ direct: true });
  const list = await store.list("");
  if (list.kind !== "listed") return t.fail(`list is ${list.kind}`);
  t.same(
    list.secrets.map(({ path }) => path),
    [...values.keys()].sort(),
    "the list shows each",
  );
  let right = 0;
  for (const [path, value] of values) {
    const read = text(await store.read(path));
    if (typeof read === "object" && read.value === value && read.same === value) right += 1;
  }
  t.equal(right, 300, "each is read");
});

t.test("what another process does on a live module is seen", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  await token.putPerKey("secrets/a/db", { user: "1" });
  const store = openStore({ direct: true, refreshIntervalMs: 600_000 });
  t.same(text(await store.read("secrets/a/db")), { user: "1" });
  await token.putPerKey("secrets/a/new", { user: "2" });
  t.same(text(await store.read("secrets/a/new")), { user: "2" }, "a new secret, at once");
  await token.putPerKey("secrets/a/db", { user: "3" });
  t.same(text(await store.read("secrets/a/db")), { user: "3" }, "a replaced object, at once");
  await token.putObjects([{ label: "secrets/a/db/pass", value: Buffer.from("4") }]);
  t.same(
    text(await store.read("secrets/a/db")),
    { user: "3" },
    "a key beside those known, not before a refresh",
  );
  t.same(text(await store.read("secrets/a/db", { fresh: true })), { user: "3", pass: "4" }, "but with fresh");
  await token.remove("secrets/a/db");
  await token.removeLabels("secrets/a/db/pass");
  t.equal(text(await store.read("secrets/a/db")), "absent", "a removed one");
  t.same(store.starts, ["start"], "all by one child");
});

t.test("a live module is listed again by itself", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  await token.putPerKey("secrets/a/db", { user: "1" });
  const store = openStore({ direct: true, refreshIntervalMs: 50 });
  await store.read("secrets/a/db");
  await token.putObjects([{ label: "secrets/a/db/pass", value: Buffer.from("2") }]);
  await store.nextLoad(); // may have begun before the write
  await store.nextLoad();
  t.same(text(await store.read("secrets/a/db")), { user: "1", pass: "2" });
});

t.test("contradictions on the token are STORAGE_INVALID and never absent", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  await token.putObjects([
    { label: "secrets/a/twice/user", value: Buffer.from("1") },
    { label: "secrets/a/twice/user", value: Buffer.from("2") },
    { label: "secrets/a/broken", application: "keyswitch/1", value: Buffer.from("no CBOR") },
  ]);
  await token.putPerKey("secrets/a/good", { user: "1" });
  const store = openStore({ direct: true });
  t.equal(text(await store.read("secrets/a/twice")), "STORAGE_INVALID");
  t.equal(text(await store.read("secrets/a/broken")), "STORAGE_INVALID");
  const list = await store.list("");
  t.same(
    list.kind === "listed" && list.secrets.map(({ path }) => path),
    ["secrets/a/good"],
    "a list leaves them out",
  );
});

t.test("a split secret is read, and a tombstone is absent", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  const big = randomBytes(2_000).toString("hex");
  await token.putPacked("secrets/a/big", { big }, { version: 2, maxBytes: 500 });
  await token.putPerKey("secrets/a/gone", { user: "1" }, { labels: { "sync.deleted": "true" } });
  const store = openStore({ direct: true });
  t.same(text(await store.read("secrets/a/big")), { big });
  t.equal(text(await store.read("secrets/a/gone")), "absent");
});

t.test("the token is described", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  await token.putPerKey("secrets/a/db", { user: "1" });
  const store = openStore({ direct: true });
  const info = await store.info();
  if (info.kind !== "info") return t.fail(`info is ${info.kind}`);
  t.match(info, {
    cache: "live",
    objects: 1,
    token: { label: token.label, manufacturer: "SoftHSM project" },
  });
});

t.test("reads that come together are one pass over the objects", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey("secrets/a/db", { user: "1", pass: "2" });
  const store = openStore();
  await store.read("secrets/a/other");
  module.forgetCalls();
  const results = await Promise.all(Array.from({ length: 20 }, () => store.read("secrets/a/db")));
  t.equal(results.filter(({ kind }) => kind === "found").length, 20, "all are answered");
  t.equal(module.calls("C_GetAttributeValue") / 2, 2, "by one call of the binding for each of two objects");
});

t.test("a flood of reads of absent secrets does not stop others", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey("secrets/a/db", { user: "1" });
  const store = openStore();
  await store.read("secrets/a/db");
  module.forgetCalls();
  const flood = Promise.all(Array.from({ length: 300 }, (_, n) => store.read(`secrets/a/absent-${n}`)));
  const from = performance.now();
  for (let n = 0; n < 20; n += 1) t.same(text(await store.read("secrets/a/db")), { user: "1" });
  t.comment(`20 reads beside the flood took ${(performance.now() - from).toFixed(0)} ms`);
  t.ok(
    (await flood).every(({ kind }) => kind === "absent"),
    "all are absent",
  );
  const listings = module.calls("C_FindObjectsInit");
  t.ok(listings >= 1 && listings < 20, `the token was listed ${listings} times for 300 misses`);
});

t.test("a write that replaces objects while they are read is never seen by half", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  const version = (n: number) => ({ labels: { "sync.version": String(n) } });
  await token.putPerKey("secrets/a/db", { user: "1" }, version(1));
  const store = openStore();
  await store.read("secrets/a/db");
  // The binding calls twice for each object: the metadata has been read, and the key's value has not. A whole write falls between.
  module.control("hold C_GetAttributeValue 3");
  module.forgetCalls();
  const reading = store.read("secrets/a/db");
  const calls = () => module.calls("C_GetAttributeValue");
  await eventually("the third call of C_GetAttributeValue", async () => calls() >= 3, {
    paceMs: 5,
    seen: () => `There were ${calls()}.`,
  });
  await token.putPerKey("secrets/a/db", { user: "2" }, version(2));
  module.control();
  const read = await reading;
  t.same(text(read), { user: "2" });
  t.match(read, { version: 2 });
  t.same(store.starts, ["start"]);
});

t.test("an object that got another label is no longer the old path's", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  await token.putPerKey("secrets/a/db", { user: "1" });
  const store = openStore({ direct: true });
  t.same(text(await store.read("secrets/a/db")), { user: "1" });
  await token.relabel("secrets/a/db/user", "secrets/a/db-prod/user");
  t.equal(text(await store.read("secrets/a/db")), "absent");
  t.same(text(await store.read("secrets/a/db-prod")), { user: "1" });
});

t.test("a store that is closed says so", async (t) => {
  const { openStore } = await tokenFixture(t);
  const store = openStore({ direct: true });
  const early = store.read("secrets/a/db");
  await store.close();
  t.equal(text(await early), "TOKEN_UNAVAILABLE");
  t.equal(text(await store.read("secrets/a/db")), "TOKEN_UNAVAILABLE");
});
