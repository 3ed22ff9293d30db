// SPDX-License-Identifier: Apache-2.0
// Tests objects that anybody can create without the PIN: they change nothing of a secret, and are reported.
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import type { PutObject } from "../../../scripts/local/softhsm-token.ts";
import { journalObject } from "../../../server/agent/storage/journal.ts";
import { encodePacked } from "../../../server/agent/storage/packed.ts";
import { encodePerKey } from "../../../server/agent/storage/per-key.ts";
import type { ObjectName } from "../../../server/agent/storage/secret.ts";
import { decodeTrusted, trustedOf } from "../../../server/agent/storage/trust.ts";
import { someKeys } from "../pkcs11/kill-points.ts";
import { tokenFixture, type WatchedStore } from "../pkcs11/token-fixture.ts";

t.setTimeout(590_000);
const PATH = "secrets/a/db";
const REAL = new Map([["user", Buffer.from("real")]]);
const FALSE = new Map([["user", Buffer.from("false")]]);

type Keys = ReadonlyMap<string, Uint8Array>;

const packed = (keys: Keys, version: number, isPublic: boolean): PutObject[] =>
  encodePacked({ version, keys, metadata: {} }).map((value) => ({
    label: PATH,
    application: "keyswitch/1",
    value,
    isPublic,
  }));

const perKey = (keys: Keys, isPublic: boolean, version?: number): PutObject[] =>
  encodePerKey(
    PATH,
    keys,
    version === undefined ? undefined : { labels: { "sync.version": String(version) } },
  ).map((object) => ({ ...object, application: "hsm-secrets-operator", isPublic }));

const journal = (): PutObject[] => [
  { ...journalObject(PATH, { make: [], remove: ["0011223344556677"], stuck: 0 }), isPublic: true },
];

/** What a read comes to: a checksum, or what else. */
const readOf = async (store: WatchedStore): Promise<string> => {
  const result = await store.read(PATH);
  if (result.kind === "found") return result.checksum;
  return result.kind === "unavailable" ? result.code : result.kind;
};

const real = checksum(REAL);
const other = new Map([["password", Buffer.from("false")]]);
const both = new Map([...REAL, ...other]);

const rows: [what: string, objects: PutObject[], refusing: string, believing: string][] = [
  [
    "a public packed one of a higher version",
    [...packed(REAL, 2, false), ...packed(FALSE, 9, true)],
    real,
    real,
  ],
  [
    "a public packed one of the same version",
    [...packed(REAL, 2, false), ...packed(FALSE, 2, true)],
    real,
    real,
  ],
  ["a public packed one beside keys", [...perKey(REAL, false, 1), ...packed(FALSE, 9, true)], real, real],
  ["public keys of a higher version", [...packed(REAL, 2, false), ...perKey(FALSE, true, 9)], real, real],
  ["another public value of a key", [...perKey(REAL, false), ...perKey(FALSE, true)], real, real],
  ["public metadata", [...perKey(REAL, false, 1), ...perKey(new Map(), true, 9)], real, real],
  ["a public journal", [...packed(REAL, 2, false), ...journal()], real, real],
  ["a public journal beside keys", [...perKey(REAL, false, 1), ...journal()], real, real],
  [
    "a public key more",
    [...perKey(REAL, false), ...perKey(other, true)],
    "STORAGE_INVALID",
    "STORAGE_INVALID",
  ],
  ["nothing but public keys", perKey(both, true, 1), "STORAGE_INVALID", checksum(both)],
  ["nothing but a public packed one", packed(REAL, 1, true), "STORAGE_INVALID", "STORAGE_INVALID"],
  ["a public journal alone", journal(), "absent", "absent"],
];

for (const cache of ["live", "cached"] as const) {
  for (const readsPublic of [false, true]) {
    const chosen = cache === "live" ? rows : rows.filter((_, index) => [0, 3, 8, 9, 10].includes(index));
    t.test(
      `${cache}, public keys ${readsPublic ? "believed where there is no other" : "refused"}`,
      async (t) => {
        const { token, openStore } = await tokenFixture(t);
        const store = openStore({ pkcs11: { cache, readsPublic } });
        for (const [what, objects, refusing, believing] of chosen) {
          await token.putObjects(objects);
          await store.refresh();
          const expected = readsPublic ? believing : refusing;
          t.equal(await readOf(store), expected, what);
          const list = await store.list("secrets/a/");
          if (list.kind !== "listed") return t.fail(list.message);
          const listed = list.secrets.map((row) => row.checksum);
          t.same(listed, expected.startsWith("sha256:") ? [expected] : [], `${what}: a list agrees`);
          t.same(list.invalid, expected === "STORAGE_INVALID" ? [PATH] : []);
          const open = objects.filter(({ isPublic }) => isPublic);
          t.same(
            list.problems,
            open
              .map(({ label }) => String(label))
              .sort()
              .map((label) => ({ label, path: PATH, problem: "public" })),
            `${what}: it is named`,
          );
          const counts = { publicObjects: open.length, objects: objects.length, damagedNames: 0 };
          t.match(await store.info(), counts, `${what}: it is counted, and takes room`);
          await token.removeLabels(PATH, ...objects.map(({ label }) => String(label)));
        }
      },
    );
  }
}

for (const layout of ["packed", "per-key"] as const) {
  t.test(`a write to ${layout} takes no version from them, and removes them`, async (t) => {
    for (const cache of ["live", "cached"] as const) {
      const { token, openStore } = await tokenFixture(t);
      await token.putObjects([
        ...packed(REAL, 2, false),
        ...packed(FALSE, 9, true),
        ...perKey(other, true, 9),
      ]);
      const store = openStore({ writes: { layout }, pkcs11: { cache } });
      t.equal(await readOf(store), real);
      const put = await store.change(PATH, { type: "put", data: someKeys(["x", "y"]) });
      t.match(put, { kind: "written", before: real, version: 3 });
      t.match(await store.read(PATH), { kind: "found", version: 3 });
      t.match(await store.info(), { publicObjects: 0, objects: layout === "packed" ? 1 : 3 });
      await token.putObjects([...perKey(other, true, 9)]);
      await store.refresh();
      t.match(await store.change(PATH, { type: "delete" }), { kind: "deleted" });
      t.equal(await readOf(store), "absent", "nothing of it is left");
      t.match(await store.info(), { objects: 0 });
    }
  });
}

t.test("a public object that can't be read is no absence, and nothing beside a private one", async (t) => {
  const decoded = (objects: PutObject[], unread: ObjectName[]): string => {
    const read = objects.map(({ label, application = "", value, isPublic = false }) => ({
      label: String(label),
      application,
      value,
      isPublic,
    }));
    return decodeTrusted(PATH, trustedOf({ objects: read, unread }, false)).kind;
  };
  for (const application of ["keyswitch/1", "hsm-secrets-operator"]) {
    const unread = [{ label: PATH, application, isPublic: true }];
    t.equal(decoded([], unread), "invalid", application);
    t.equal(decoded(perKey(REAL, false), unread), "found", application);
    t.equal(decoded(packed(REAL, 1, false), unread), "found", application);
  }
});
