// SPDX-License-Identifier: Apache-2.0
// Tests labels that can't be keys: they are counted and named, and their secret is not taken for complete.
import t from "tap";
import { encodePacked } from "../../../server/agent/storage/packed.ts";
import { intendedPath, isMislabelled } from "../../../server/agent/storage/path.ts";
import { decodeSecret } from "../../../server/agent/storage/secret.ts";
import { someKeys } from "../pkcs11/kill-points.ts";
import { tokenFixture } from "../pkcs11/token-fixture.ts";

t.setTimeout(590_000);
const OWN = "hsm-secrets-operator";
const PATH = "secrets/a/db";
const value = Buffer.from("1");

const rows: [label: string | Buffer, application: string | undefined, path: string | null][] = [
  [`${PATH}/pass word`, OWN, PATH],
  [`${PATH}/pass word`, undefined, PATH],
  [`${PATH}/schl\u00fcssel`, OWN, PATH],
  [Buffer.from(`${PATH}/schl\u00fcssel`, "latin1"), OWN, PATH],
  [Buffer.from(`${PATH}/schl\u00fcssel`, "latin1"), "another", PATH],
  [`/${PATH}/user`, OWN, PATH],
  [`${PATH}//user`, OWN, PATH],
  [`${PATH}/`, undefined, PATH],
  [`${PATH}/..`, undefined, PATH],
  [`${PATH}/pass\0word`, "another", PATH],
  [`${PATH}/${"k".repeat(254)}`, OWN, PATH],
  ["pass word", OWN, null],
  ["secrets/my ns/db/user", OWN, null],
];

for (const cache of ["live", "cached"] as const) {
  t.test(`each is counted, named and makes its secret LABEL_INVALID, ${cache}`, async (t) => {
    const { token, openStore } = await tokenFixture(t);
    await token.putPerKey("secrets/a/other", { user: "1" });
    const store = openStore({ pkcs11: { cache } });
    for (const [label, application, path] of cache === "live" ? rows : rows.slice(3, 6)) {
      const what = JSON.stringify(String(label));
      await token.putPerKey(PATH, { user: "1" });
      await token.putObjects([{ label, value, ...(application !== undefined && { application }) }]);
      await store.refresh();
      t.match(await store.info(), { invalidLabels: 1, objects: 3 }, what);
      const shown = Buffer.from(label).toString("utf8");
      const problem = { label: shown, path, problem: "label" };
      const list = await store.list("");
      t.match(list, { problems: [problem], invalid: path === null ? [] : [PATH] }, what);
      t.match(await store.list("secrets/other/"), { problems: [] });
      const read = await store.read(PATH);
      if (path === null) {
        t.match(read, { kind: "found" }, what);
      } else {
        t.match(read, { kind: "unavailable", code: "LABEL_INVALID" }, what);
        t.ok(read.kind === "unavailable" && read.message.includes(JSON.stringify(shown)), "and names it");
        const patched = await store.change(PATH, { type: "patch", data: someKeys(["x"]) });
        t.match(patched, { kind: "unavailable", code: "LABEL_INVALID" }, "nor is it changed in part");
      }
      t.match(await store.read("secrets/a/other"), { kind: "found" }, "no other secret is concerned");
      await store.change(PATH, { type: "delete" });
      await token.remove(PATH);
      if (path === null) await token.removeLabels(shown);
      await store.refresh();
      t.match(await store.info(), { invalidLabels: 0, objects: 1 }, `${what} is gone with its secret`);
    }
  });
}

t.test("a secret that is put as a whole replaces what was meant for it", async (t) => {
  for (const layout of ["packed", "per-key"] as const) {
    const { token, openStore } = await tokenFixture(t);
    await token.putPerKey(PATH, { user: "1" });
    await token.putObjects([{ label: `${PATH}/pass word`, application: OWN, value }]);
    const store = openStore({ writes: { layout } });
    t.match(await store.read(PATH), { code: "LABEL_INVALID" });
    t.match(await store.change(PATH, { type: "put", data: someKeys(["user", "password"]) }), {
      kind: "written",
    });
    t.match(await store.read(PATH), { kind: "found", layout });
    t.match(await store.info(), { invalidLabels: 0, objects: layout === "packed" ? 1 : 3 });
  }
});

t.test(
  "beside a packed secret, which is whole without it, such an object is counted and no more",
  async (t) => {
    const packed = encodePacked({ version: 3, keys: new Map([["user", value]]), metadata: {} }).map(
      (bytes) => ({
        label: PATH,
        application: "keyswitch/1",
        value: bytes,
      }),
    );
    const stray = { label: `${PATH}/pass word`, application: OWN, value };
    t.match(decodeSecret(PATH, [...packed, stray]), { kind: "found", version: 3 });
    t.match(decodeSecret(PATH, [stray]), { kind: "invalid", code: "LABEL_INVALID" });
  },
);

t.test("objects of other programs are none of ours", async (t) => {
  for (const [label, application] of [
    ["My certificate", "OpenVPN"],
    ["schl\u00fcssel", "another"],
    ["my dir/my file", "another"],
    ["secrets/a/db/user", "another"],
    ["secrets/a/db", "keyswitch/1"],
  ] as const) {
    t.notOk(isMislabelled({ label, application }), label);
    t.equal(intendedPath(label), undefined);
  }
});
