// SPDX-License-Identifier: Apache-2.0
// Tests a kill at every PKCS#11 call of a copy that replaces a secret of a higher or the same version: one of the two is there whole.
import t from "tap";
import type { Change } from "../../../server/agent/store.ts";
import { type Keys, killAtEachCall, type Scenario, someKeys } from "./kill-points.ts";
import { type StoreOptions, tokenFixture } from "./token-fixture.ts";

t.setTimeout(580_000);

const copyOf = (data: Keys, version: number): Change => ({
  type: "copy",
  data,
  metadata: { labels: { "sync.epoch": "2", team: "shop" } },
  version,
});

type Row = {
  name: string;
  /** Of what is there, and of the copy. */
  versions: readonly [before: number, after: number];
  bytes?: number;
  objects: Scenario["objects"];
  options: StoreOptions & { writes: NonNullable<StoreOptions["writes"]> };
  /** The layout of what is there, where it is another one. */
  from?: "packed" | "per-key";
};

const packed: Row["options"] = { writes: { layout: "packed" } };
const split: Row["options"] = { writes: { layout: "packed", maxObjectBytes: 512 } };
const perKey: Row["options"] = { writes: { layout: "per-key" } };

const rows: Row[] = [
  { name: "packed, of a lower version", versions: [5, 3], objects: { before: 1, after: 1 }, options: packed },
  {
    name: "packed, of the same version",
    versions: [5, 5],
    objects: { before: 1, after: 1 },
    options: packed,
  },
  {
    name: "packed in parts, of the same version",
    versions: [5, 5],
    bytes: 600,
    objects: { before: 3, after: 3 },
    options: split,
  },
  {
    name: "per-key, of a lower version",
    versions: [5, 3],
    objects: { before: 2, after: 2 },
    options: perKey,
  },
  {
    name: "packed, over a per-key secret of a higher version",
    versions: [5, 3],
    objects: { before: 2, after: 1 },
    options: packed,
    from: "per-key",
  },
];

for (const { name, versions, bytes, objects, options, from } of rows) {
  t.test(name, async (t) => {
    const fixture = await tokenFixture(t);
    const store = fixture.openStore(options);
    const killed = await killAtEachCall(t, fixture, store, {
      before: async (_, path) => {
        const data = someKeys(["a"], bytes);
        await store.change(path, copyOf(data, versions[0]));
        if (from !== undefined) {
          await store.change(path, { type: "repack", layout: from });
          t.match(await store.read(path), { layout: from });
        }
        return data;
      },
      change: () => {
        const data = someKeys(["a"], bytes);
        return { change: copyOf(data, versions[1]), after: data };
      },
      objects,
    });
    t.comment(`${killed.points} kills: ${killed.old} times the old secret, ${killed.new} times the copy`);
    t.ok(killed.old > 0 && killed.new > 0);
  });
}

t.test("where the module caches, another process sees the copy of a lower version", async (t) => {
  const { openStore } = await tokenFixture(t);
  const store = openStore({ ...packed, pkcs11: { cache: "cached" } });
  const path = "secrets/shop/db";
  for (const version of [5, 5, 3, 8]) {
    const data = someKeys(["a"]);
    t.match(await store.change(path, copyOf(data, version)), { kind: "written", version });
    t.match(await store.read(path), { kind: "found", version, metadata: { labels: { "sync.epoch": "2" } } });
    t.match(await store.info(), { objects: 1 });
  }
});
