// SPDX-License-Identifier: Apache-2.0
// Tests a card near the limit of its module's table, with keys and certificates: rejected in time, and what was acknowledged is
// there.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { keyFiles } from "../../../doubles/sc-hsm/certificates.ts";
import { someKeys } from "../kill-points.ts";
import type { WatchedStore } from "../token-fixture.ts";
import { cardFixture, cardTest, ready, reloaded } from "./card-fixture.ts";

t.setTimeout(590_000);

/** An X.509 certificate of a key that nobody keeps, as DER. */
const certificate = (t: Test): Buffer => {
  const dir = mkdtempSync(join(tmpdir(), "keyswitch-x509-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const [key, out] = [join(dir, "key"), join(dir, "cert")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test"];
  execFileSync("openssl", ["req", "-x509", ...kind, "-keyout", key, "-outform", "DER", "-out", out], {
    stdio: "ignore",
  });
  return readFileSync(out);
};

const pathsOf = async (store: WatchedStore): Promise<Map<string, string>> => {
  const list = await store.list("");
  if (list.kind !== "listed") throw new Error(list.message);
  return new Map(list.secrets.map(({ path, checksum }) => [path, checksum]));
};

for (const layout of ["packed", "per-key"] as const) {
  cardTest(`${layout}: keys and certificates leave little room`, async (t) => {
    const { card, openStore } = await cardFixture(t);
    const x509 = certificate(t);
    const keys = 44;
    for (let id = 1; id <= keys; id += 1) {
      for (const [fid, file] of keyFiles(id, `key ${id}`, id % 2 === 0 ? x509 : undefined)) {
        card.memory.files.set(fid, file);
      }
    }
    const store = openStore({ writes: { layout } });
    await ready(store);
    const info = await store.info();
    t.match(info, { objects: 0, objectLimitSource: "module" });
    if (info.kind !== "info" || info.objectLimit === null) return t.fail("no limit");
    const acknowledged = new Map<string, string>();
    const refused: string[] = [];
    for (let n = 0; refused.length < 3; n += 1) {
      const path = `secrets/full/s${String(n).padStart(3, "0")}`;
      const result = await store.change(path, { type: "put", data: someKeys(["a", "b"]) });
      if (result.kind === "written") acknowledged.set(path, result.checksum);
      else {
        t.match(result, { kind: "refused", code: "TOKEN_FULL", message: /data objects \(module\)/ });
        refused.push(path);
      }
    }
    const [first = ""] = acknowledged.keys();
    const update = await store.change(first, { type: "put", data: someKeys(["a", "b"]) });
    if (update.kind === "written") acknowledged.set(first, update.checksum);
    t.comment(
      `${keys} keys; limit ${info.objectLimit}; ${acknowledged.size} secrets; update: ${update.kind}`,
    );
    t.ok(acknowledged.size > 2, "there was room for some");
    card.unplug();
    card.plug();
    await reloaded(store);
    t.same(
      await pathsOf(store),
      acknowledged,
      "exactly what was acknowledged is there after the card came back",
    );
    for (const path of refused) t.match(await store.read(path), { kind: "absent" });
    t.match(
      await store.change(first, { type: "delete" }),
      { kind: "deleted" },
      "a full token can be emptied",
    );
  });
}

cardTest("a table that is full says of nothing that it is absent", async (t) => {
  const { card, openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  const written = await store.change("secrets/a/db", { type: "put", data: someKeys(["a"]) });
  for (let id = 1; id <= 70; id += 1) {
    for (const [fid, file] of keyFiles(id, `key ${id}`)) card.memory.files.set(fid, file);
  }
  await store.refresh();
  const unseen = await store.read("secrets/a/other");
  t.match(unseen, {
    kind: "unavailable",
    code: "TOKEN_UNAVAILABLE",
    message: /can't be told from what is absent/,
  });
  const read = await store.read("secrets/a/db");
  const isTrue = read.kind === "unavailable" || (read.kind === "found" && written.kind === "written");
  t.ok(isTrue, "what was there is shown, or not said to be absent");
  const put = await store.change("secrets/a/new", { type: "put", data: someKeys(["a"]) });
  t.match(put, { kind: "refused", code: "TOKEN_FULL" });
});
