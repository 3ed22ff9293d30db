// SPDX-License-Identifier: Apache-2.0
// Tests the interoperation with pkcs11-tool in the per-key layout, in both directions, and the migration between the layouts.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import type { Layout } from "../../server/agent-api/schema.ts";
import { someKeys } from "../agent/pkcs11/kill-points.ts";
import { type Fixture, tokenFixture, type WatchedStore } from "../agent/pkcs11/token-fixture.ts";

t.setTimeout(590_000);

/** pkcs11-tool as a user calls it, but for the PIN, which it takes from the environment. */
const pkcs11Tool = ({ token }: Fixture, ...args: string[]): string =>
  execFileSync(
    "pkcs11-tool",
    ["--module", token.module, "--token-label", token.label, "--login", "--pin", "env:TOKEN_PIN", ...args],
    {
      env: { ...process.env, ...token.env, TOKEN_PIN: token.pin },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    },
  );

const labelsOf = (fixture: Fixture): string[] =>
  [...pkcs11Tool(fixture, "--list-objects", "--type", "data").matchAll(/label: +'?([^'\n]*)'?\n/g)]
    .map(([, label]) => label ?? "")
    .sort();

const readByTool = (fixture: Fixture, label: string): Buffer => {
  const file = join(dirname(fixture.token.pinFile), "value");
  pkcs11Tool(fixture, "--read-object", "--type", "data", "--label", label, "--output-file", file);
  return readFileSync(file);
};

const keysOf = async (store: WatchedStore, path: string): Promise<Record<string, string>> => {
  const read = await store.read(path);
  if (read.kind !== "found") return { kind: read.kind };
  return Object.fromEntries([...read.data].map(([key, value]) => [key, Buffer.from(value).toString("hex")]));
};

for (const layout of ["packed", "per-key"] as const) {
  t.test(`objects of pkcs11-tool, changed and deleted in the ${layout} layout`, async (t) => {
    const fixture = await tokenFixture(t);
    const values = { user: randomBytes(12), pass: randomBytes(40) };
    for (const [key, value] of Object.entries(values)) {
      const file = join(dirname(fixture.token.pinFile), key);
      writeFileSync(file, value);
      const label = `secrets/shop/db/${key}`;
      pkcs11Tool(fixture, "--write-object", file, "--type", "data", "--private", "--label", label);
    }
    const store = fixture.openStore({ writes: { layout } });
    t.match(await store.list("secrets/"), { secrets: [{ path: "secrets/shop/db", keys: ["pass", "user"] }] });
    const hex = { user: values.user.toString("hex"), pass: values.pass.toString("hex") };
    t.same(await keysOf(store, "secrets/shop/db"), hex);
    const next = randomBytes(16);
    const patch = { type: "patch", data: new Map([["pass", next]]) } as const;
    t.match(await store.change("secrets/shop/db", patch), { kind: "written", outcome: "changed" });
    t.same(await keysOf(store, "secrets/shop/db"), { ...hex, pass: next.toString("hex") });
    t.same(
      labelsOf(fixture),
      layout === "packed"
        ? ["secrets/shop/db"]
        : ["secrets/shop/db/_metadata", "secrets/shop/db/pass", "secrets/shop/db/user"],
    );
    if (layout === "per-key") {
      t.same(readByTool(fixture, "secrets/shop/db/pass"), next, "pkcs11-tool reads it");
    }
    t.match(await store.change("secrets/shop/db", { type: "delete" }), { kind: "deleted" });
    t.same(labelsOf(fixture), []);
  });
}

t.test("the per-key layout is that of the system before: labels, application, metadata", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore({ writes: { layout: "per-key" } });
  const value = randomBytes(8);
  const data = new Map([["data", value]]);
  await store.change("secrets/shop/api", { type: "put", data, metadata: { description: "the API" } });
  const listed = pkcs11Tool(fixture, "--list-objects", "--type", "data");
  t.equal(listed.match(/application: +'?hsm-secrets-operator'?/g)?.length, 2);
  t.same(
    labelsOf(fixture),
    ["secrets/shop/api", "secrets/shop/api/_metadata"],
    "the key data is at the bare path",
  );
  t.same(readByTool(fixture, "secrets/shop/api"), value);
  t.match(JSON.parse(readByTool(fixture, "secrets/shop/api/_metadata").toString()), {
    description: "the API",
    labels: { "sync.version": "1" },
  });
});

t.test(
  "a secret that the system before has marked as deleted is absent, and can be written again",
  async (t) => {
    const fixture = await tokenFixture(t);
    await fixture.token.putPerKey(
      "secrets/shop/db",
      {},
      { labels: { "sync.version": "7", "sync.deleted": "true" } },
    );
    const store = fixture.openStore();
    t.match(await store.change("secrets/shop/db", { type: "delete" }), { kind: "absent" });
    const put = { type: "put", data: someKeys(["a"]) } as const;
    t.match(await store.change("secrets/shop/db", put, { ifNoneMatch: "*" }), {
      outcome: "created",
      version: 8,
    });
    t.match(await store.info(), { objects: 1 });
  },
);

t.test("a token moves from one layout to the other and back, and can stop anywhere", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore();
  const paths = ["a", "b", "c"].map((name) => `secrets/shop/${name}`);
  for (const path of paths) await fixture.token.putPerKey(path, Object.fromEntries(someKeys(["x", "y"])));
  const checksums = async () => {
    const list = await store.list("");
    return list.kind === "listed" ? list.secrets.map(({ path, checksum }) => [path, checksum]) : list;
  };
  const before = await checksums();
  const repack = (path: string, layout: Layout) => store.change(path, { type: "repack", layout });
  t.match(await repack("secrets/shop/a", "packed"), { kind: "written", outcome: "repacked" });
  t.match(await store.info(), { objects: 5 });
  for (const path of paths) await repack(path, "packed");
  t.match(
    await repack("secrets/shop/a", "packed"),
    { outcome: "unchanged" },
    "what has moved is not touched",
  );
  t.match(await store.info(), { objects: 3 });
  t.same(await checksums(), before);
  for (const path of paths) t.match(await repack(path, "per-key"), { outcome: "repacked" });
  t.match(await store.info(), { objects: 9 });
  t.same(await checksums(), before);
});

t.test("a path that can't be understood can be replaced, and nothing else", async (t) => {
  const fixture = await tokenFixture(t);
  const label = "secrets/shop/db/pass";
  await fixture.token.putObjects([
    { label, value: randomBytes(8) },
    { label, value: randomBytes(8) },
  ]);
  const store = fixture.openStore();
  t.match(await store.list(""), { secrets: [], invalid: ["secrets/shop/db"] });
  const data = someKeys(["pass"]);
  const invalid = { kind: "unavailable", code: "STORAGE_INVALID" };
  t.match(await store.change("secrets/shop/db", { type: "patch", data }), invalid);
  t.match(await store.change("secrets/shop/db", { type: "put", data }, { ifMatch: "*" }), invalid);
  t.match(await store.change("secrets/shop/db", { type: "put", data }), { kind: "written" });
  t.match(await store.info(), { objects: 1 });
  await fixture.token.putObjects([
    { label, value: randomBytes(8) },
    { label, value: randomBytes(9) },
  ]);
  t.match(await store.change("secrets/shop/db", { type: "delete" }), { kind: "deleted" });
  t.match(await store.info(), { objects: 0 });
});

t.test("what another process has written since is not written over unseen", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore();
  const first = await store.change("secrets/shop/db", { type: "put", data: someKeys(["a"]) });
  if (first.kind !== "written") return t.fail("not written");
  const theirs = someKeys(["a"]);
  await fixture.token.putPacked("secrets/shop/db", Object.fromEntries(theirs), { version: 9 });
  const put = { type: "put", data: someKeys(["a"]) } as const;
  const result = await store.change("secrets/shop/db", put, { ifMatch: [first.checksum] });
  t.match(result, { kind: "precondition" });
  t.match(await store.change("secrets/shop/db", put), { kind: "written", version: 10 });
  await fixture.token.remove("secrets/shop/db");
  t.match(await store.change("secrets/shop/db", { type: "patch", data: someKeys(["b"]) }), {
    kind: "absent",
  });
});
