// SPDX-License-Identifier: Apache-2.0
// Tests a real token as a member of a set, in both layouts: membership, stamps, deletions in two steps, and copies.
import t, { type Test } from "tap";
import { SET_PATH } from "../../../server/agent/mirror/member.ts";
import { createMemberStore } from "../../../server/agent/mirror/member-store.ts";
import type { Holding } from "../../../server/agent/mirror/plan-pull.ts";
import type { Stamp } from "../../../server/agent/storage/stamp.ts";
import type { Change, SecretStore } from "../../../server/agent/store.ts";
import { someKeys } from "../pkcs11/kill-points.ts";
import { tokenFixture } from "../pkcs11/token-fixture.ts";

t.setTimeout(590_000);

const SET = "hsm/vault";
const PATH = "secrets/shop/db";

const put = (): Extract<Change, { type: "put" }> => ({ type: "put", data: someKeys(["a", "b"]) });

const memberOn = (store: SecretStore) => {
  const member = createMemberStore(store);
  const holding = async (): Promise<Holding> => {
    const held = await member.holding();
    if (held.kind !== "holding") throw new Error(`no holding: ${JSON.stringify(held)}`);
    return held.holding;
  };
  return { member, holding };
};

const stamp = (epoch: number, version: number, ...history: [number, number][]): Stamp => ({
  epoch,
  version,
  history,
});

/** A store, and the token of it as a member in epoch 1. */
const joined = async (t: Test, layout: "packed" | "per-key") => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore({ writes: { layout } });
  const on = memberOn(store);
  t.match(await on.member.join({ set: SET, epoch: 1 }), { kind: "written", outcome: "created" });
  return { fixture, store, ...on };
};

t.test("a blank token, one with secrets of its own, and a member", async (t) => {
  const { openStore } = await tokenFixture(t);
  const store = openStore();
  const { member, holding } = memberOn(store);
  t.same(await member.membership(), { kind: "known", membership: undefined, isEmpty: true });
  t.same(await holding(), { epoch: 0, secrets: [], tombstones: [] });
  t.match(await member.change(PATH, put(), {}, 1), { kind: "unavailable", code: "TOKEN_UNAVAILABLE" });
  await store.change(PATH, put());
  t.same(await member.membership(), { kind: "known", membership: undefined, isEmpty: false });
  t.match(await member.join({ set: SET, epoch: 3 }), { kind: "written" });
  const known = { kind: "known", membership: { set: SET, epoch: 3 }, isEmpty: false };
  t.same(await member.membership(), known);
  t.match(await member.join({ set: SET, epoch: 3 }), { kind: "written", outcome: "unchanged" });
  t.match(await member.join({ set: SET, epoch: 2 }), { kind: "unavailable" }, "an epoch never falls");
  t.match(await member.join({ set: "hsm/other", epoch: 4 }), { kind: "unavailable" });
  t.same(await member.membership(), known, "nothing of it was written");
  t.match(await member.change(PATH, put(), {}, 4), { kind: "unavailable" }, "no write of another epoch");
  t.same(
    (await holding()).secrets.map(({ path, stamp: told }) => [path, told]),
    [[PATH, stamp(0, 1)]],
    "what is from before the set has epoch 0",
  );
});

for (const layout of ["packed", "per-key"] as const) {
  t.test(`${layout}: each write has a stamp that knows of what it replaced`, async (t) => {
    const { store, member, holding } = await joined(t, layout);
    const stamps = async () => (await holding()).secrets.map((one) => one.stamp);
    await store.change(PATH, put());
    t.match(await member.change(PATH, put(), {}, 1), { kind: "written", version: 2 });
    t.same(await stamps(), [stamp(1, 2, [0, 1])]);
    const patch = { type: "patch", data: new Map([["c", new Uint8Array(3)]]) } as const;
    t.match(await member.change(PATH, patch, {}, 1), { kind: "written", version: 3 });
    t.match(await member.change(PATH, { type: "delete-key", key: "c" }, {}, 1), { version: 4 });
    t.same(await stamps(), [stamp(1, 4, [0, 1])]);
    t.match(await store.change(PATH, { type: "rewrite" }), { kind: "written", version: 4 });
    t.same(await stamps(), [stamp(1, 4, [0, 1])], "what repair writes anew is the same write");
    await member.join({ set: SET, epoch: 2 });
    t.match(await member.change(PATH, put(), {}, 2), { version: 5 });
    t.same(await stamps(), [stamp(2, 5, [0, 1], [1, 4])]);
    t.match(await store.change(PATH, put()), { version: 6 });
    t.same(await stamps(), [stamp(2, 6, [0, 1], [1, 4])], "a write outside the set counts the version alone");
    const other = layout === "packed" ? "per-key" : "packed";
    t.match(await member.change(PATH, { type: "repack", layout: other }, {}, 2), { outcome: "repacked" });
    t.same(await stamps(), [stamp(2, 7, [0, 1], [1, 4])], "the other layout keeps it");
    t.match(await store.list(""), { secrets: [{ path: SET_PATH, layout: "packed" }, { epoch: 2 }] });
  });

  t.test(`${layout}: a deletion leaves a tombstone, which the next write drops`, async (t) => {
    const { store, member, holding } = await joined(t, layout);
    await member.change(PATH, put(), {}, 1);
    const read = await store.read(PATH);
    const checksum = read.kind === "found" ? read.checksum : "";
    const wrong = await member.change(PATH, { type: "delete" }, { ifMatch: ["sha256:0"] }, 1);
    t.same(wrong, { kind: "precondition", before: checksum });
    t.same((await holding()).tombstones, [], "nothing was recorded for it");
    t.same(await member.change(PATH, { type: "delete" }, {}, 1), { kind: "deleted", before: checksum });
    t.same(await member.change(PATH, { type: "delete" }, {}, 1), { kind: "absent" });
    t.same(await store.read(PATH), { kind: "absent" });
    t.same((await holding()).tombstones, [{ path: PATH, ...stamp(1, 2) }]);
    await member.join({ set: SET, epoch: 2 });
    t.same((await holding()).tombstones.length, 1, "a new epoch keeps it");
    t.match(await member.change(PATH, { type: "put", data: new Map([["a", new Uint8Array(1)]]) }, {}, 2), {
      kind: "written",
      outcome: "created",
      version: 3,
    });
    const after = await holding();
    t.same(after.tombstones, []);
    t.same(after.secrets[0]?.stamp, stamp(2, 3, [1, 2]));
    t.match(await member.change(PATH, { type: "delete-key", key: "a" }, {}, 2), { kind: "deleted" });
    const [again] = (await holding()).tombstones;
    t.same(again, { path: PATH, ...stamp(2, 4, [1, 2]) }, "the last key is a deletion as well");
    if (again === undefined) return;
    t.match(await member.forget([{ ...again, version: 3 }]), { outcome: "unchanged" }, "another one");
    t.match(await member.forget([again]), { kind: "written", outcome: "changed" });
    t.same((await holding()).tombstones, []);
  });

  t.test(`${layout}: a copy is the primary's secret in all, whatever was there`, async (t) => {
    const { store, member, holding } = await joined(t, layout);
    const metadata = {
      description: "the database",
      createdAt: "2026-01-01T00:00:00Z",
      labels: { team: "shop", "sync.version": "9", "sync.epoch": "4" },
    };
    for (const version of [7, 5, 5, 9]) {
      const data = someKeys(["a"]);
      const copied = stamp(3, version, [1, 2]);
      t.match(await member.take(PATH, { data, metadata, stamp: copied }), { kind: "written", version });
      t.match(await member.take(PATH, { data, metadata, stamp: copied }), { outcome: "unchanged" });
      const read = await store.read(PATH);
      if (read.kind !== "found") return t.fail(JSON.stringify(read));
      t.same(
        [...read.data].map(([key, value]) => [key, Buffer.from(value)]),
        [["a", data.get("a")]],
      );
      t.match(read, {
        version,
        layout,
        metadata: { ...metadata, labels: { team: "shop", "sync.epoch": "3" } },
      });
      t.same((await holding()).secrets, [
        { path: PATH, checksum: read.checksum, keys: ["a"], bytes: 24, stamp: copied },
      ]);
      t.match(await store.info(), { objects: layout === "packed" ? 2 : 3 }, "nothing is left over");
    }
    t.match(await member.remove(PATH), { kind: "deleted" });
    t.match(await member.remove(PATH), { kind: "deleted", before: null });
    const deletion = { path: PATH, ...stamp(3, 10, [1, 2]) };
    t.match(await member.record([deletion]), { kind: "written", outcome: "changed" });
    t.match(await member.record([deletion]), { kind: "written", outcome: "unchanged" });
    t.same((await holding()).tombstones, [deletion]);
    const decided = { data: someKeys(["a"]), metadata: {}, stamp: stamp(3, 9, [1, 2]) };
    t.match(await member.take(PATH, decided), { kind: "written" });
    t.same((await holding()).tombstones, [], "somebody has decided against the deletion");
    t.equal((await holding()).secrets.length, 1);
    const read = await store.read(PATH);
    if (read.kind !== "found") return t.fail("it is not there");
    await member.change(PATH, { type: "delete" }, {}, 1);
    const same = { data: read.data, metadata: read.metadata, stamp: decided.stamp };
    t.match(await member.take(PATH, same), { kind: "written" });
    t.equal((await holding()).secrets.length, 1);
    t.match(await store.read(PATH), { kind: "found" }, "a deletion that was decided against is not finished");
  });
}

t.test("tombstones of many writes at once, and of a list from before them", async (t) => {
  const { store, member, holding } = await joined(t, "packed");
  const paths = Array.from({ length: 12 }, (_, index) => `secrets/many/s${index}`);
  await Promise.all(paths.map((path) => member.change(path, put(), {}, 1)));
  const before = (await holding()).tombstones;
  const ends = await Promise.all(paths.map((path) => member.change(path, { type: "delete" }, {}, 1)));
  t.ok(ends.every(({ kind }) => kind === "deleted"));
  t.equal((await holding()).tombstones.length, paths.length);
  const record = await store.read(SET_PATH);
  t.ok(record.kind === "found" && record.version <= paths.length, "several in one write");
  t.match(await member.record(before), { outcome: "unchanged" }, "what was deleted since is not forgotten");
  t.equal((await holding()).tombstones.length, paths.length);
});

t.test("a set record that can't be understood is never no set", async (t) => {
  const { store, member } = await joined(t, "packed");
  const junk = new Map([["set", new Uint8Array(4)]]);
  await store.change(SET_PATH, { type: "put", data: junk });
  const said = { kind: "unavailable", code: "STORAGE_INVALID" } as const;
  t.match(await member.membership(), said);
  t.match(await member.holding(), said);
  t.match(await member.join({ set: SET, epoch: 2 }), said);
  t.match(await member.change(PATH, put(), {}, 1), said);
  t.match(await store.read(PATH), { kind: "absent" });
});

t.test("a full token can be emptied, and its deletions are recorded once there is room", async (t) => {
  const { openStore } = await tokenFixture(t);
  const store = openStore({ writes: { layout: "packed", maxObjects: 12, maxObjectBytes: 512 } });
  const { member, holding } = memberOn(store);
  await member.join({ set: SET, epoch: 1 });
  const before = Array.from({ length: 20 }, (_, index) => ({
    path: `secrets/some/name-${String(index).padStart(2, "0")}`,
    ...stamp(1, 1),
  }));
  t.match(await member.record(before), { kind: "written" });
  const paths: string[] = [];
  for (;;) {
    const path = `secrets/many/s${paths.length}`;
    const { kind } = await member.change(path, put(), {}, 1);
    if (kind === "refused") break;
    if (paths.push(path) > 20) return t.fail("the token is never full");
  }
  const ends: string[] = [];
  for (const path of paths) {
    ends.push((await member.change(path, { type: "delete" }, {}, 1)).kind);
    t.match(await store.read(path), { kind: "absent" });
  }
  t.comment(`${paths.length} deletions: ${ends.join(", ")}`);
  t.equal(ends[0], "uncertain", "the record of several objects had no room");
  t.equal(ends.at(-1), "deleted");
  const told = (await holding()).tombstones.map(({ path }) => path);
  t.same(
    [...told].sort(),
    [...before.map(({ path }) => path), ...paths].sort(),
    "none of them was forgotten",
  );
});
