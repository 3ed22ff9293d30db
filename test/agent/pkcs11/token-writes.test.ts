// SPDX-License-Identifier: Apache-2.0
// Tests writes to a real token in both layouts: they read back, also as pkcs11-tool reads.
import { randomBytes } from "node:crypto";
import t from "tap";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

for (const layout of ["packed", "per-key"] as const) {
  t.test(`${layout}: created, changed, patched, a key deleted, deleted`, async (t) => {
    const { openStore } = await tokenFixture(t);
    const store = openStore({ writes: { layout } });
    const path = "secrets/shop/db";
    const value = new Uint8Array(randomBytes(300));
    const created = await store.change(path, {
      type: "put",
      data: new Map([
        ["user", bytes("shop")],
        ["pass", value],
      ]),
      metadata: { description: "the database" },
    });
    t.match(created, {
      kind: "written",
      outcome: "created",
      version: 1,
      before: null,
      keys: ["pass", "user"],
    });
    const read = await store.read(path);
    t.match(read, { kind: "found", layout, metadata: { description: "the database" } });
    if (read.kind !== "found" || created.kind !== "written") return t.fail("not found");
    t.equal(read.checksum, created.checksum);
    t.equal(Buffer.compare(read.data.get("pass") ?? bytes(""), value), 0, "binary values survive");

    const same = await store.change(path, { type: "put", data: read.data });
    t.match(same, { kind: "written", outcome: "unchanged", version: 1 });
    const changed = await store.change(path, { type: "put", data: new Map([["user", bytes("other")]]) });
    t.match(changed, { kind: "written", outcome: "changed", version: 2, before: created.checksum });
    const patched = await store.change(path, {
      type: "patch",
      data: new Map<string, Uint8Array | null>([
        ["user", null],
        ["token", bytes("x")],
        ["data", bytes("y")],
      ]),
    });
    t.match(patched, { kind: "written", outcome: "changed", version: 3, keys: ["data", "token"] });
    t.match(await store.change(path, { type: "delete-key", key: "data" }), { keys: ["token"], version: 4 });
    t.match(await store.change(path, { type: "delete-key", key: "none" }), { kind: "key-absent" });
    t.match(await store.info(), { kind: "info", objects: layout === "packed" ? 1 : 2 });
    t.match(await store.change(path, { type: "delete" }), { kind: "deleted" });
    t.match(await store.read(path), { kind: "absent" });
    t.match(await store.info(), { kind: "info", objects: 0 });
    t.match(await store.change(path, { type: "delete" }), { kind: "absent" });
  });
}
