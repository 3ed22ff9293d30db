// SPDX-License-Identifier: Apache-2.0
// Tests the bytes of a set record: they come back as they were, stay short, and others are not taken for a record.
import { encode } from "cborg";
import fc from "fast-check";
import t from "tap";
import { decodeRecord, encodeRecord, type KeptTombstone } from "../../../server/agent/mirror/set-record.ts";

const count = fc.nat(Number.MAX_SAFE_INTEGER);

const tombstone: fc.Arbitrary<KeptTombstone> = fc
  .record({
    path: fc.stringMatching(/^[a-z_]{1,12}\/[a-z_]{1,12}$/),
    epoch: count,
    version: count,
    history: fc.array(fc.tuple(count, count), { maxLength: 16 }),
    deleted: fc.option(fc.record({ epoch: count, version: count, digest: fc.constant("0123456789abcdef") })),
  })
  .map(({ deleted, ...rest }) => ({ ...rest, ...(deleted !== null && { deleted }) }));

t.test("any record comes back", async (t) => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), count, fc.array(tombstone), (set, epoch, list) => {
      const record = { set, epoch, tombstones: new Map(list.map((one) => [one.path, one])) };
      t.same(decodeRecord(encodeRecord(record)), record);
      const reversed = { ...record, tombstones: new Map([...record.tombstones].reverse()) };
      t.same(encodeRecord(reversed), encodeRecord(record), "whatever the order");
    }),
  );
});

t.test("a tombstone is short", async (t) => {
  const one = (index: number): KeptTombstone => ({
    path: `secrets/shop/${String(index).padStart(3, "0")}`,
    epoch: 3,
    version: 12,
    history: [
      [1, 4],
      [2, 9],
    ],
    deleted: { epoch: 3, version: 11, digest: "0123456789abcdef" },
  });
  const bytes = (tombstones: number): number => {
    const list = Array.from({ length: tombstones }, (_, index) => one(index));
    const [value] = encodeRecord({
      set: "hsm/vault",
      epoch: 3,
      tombstones: new Map(list.map((x) => [x.path, x])),
    }).values();
    return value?.length ?? 0;
  };
  const beside = (bytes(110) - bytes(10)) / 100 - "secrets/shop/000".length;
  t.ok(beside <= 40, `${beside} bytes beside the path`);
});

const good = { record: 1, set: "hsm/vault", epoch: 3, tombstones: [] };
const others: [says: string, keys: Map<string, Uint8Array>][] = [
  ["nothing", new Map()],
  ["another key", new Map([["sets", encode(good)]])],
  [
    "one key more",
    new Map([...encodeRecord({ set: "x", epoch: 1, tombstones: new Map() }), ["b", encode(1)]]),
  ],
  ["no CBOR", new Map([["set", Buffer.from("set")]])],
  ["a later format", new Map([["set", encode({ ...good, record: 2 })]])],
  ["no set", new Map([["set", encode({ ...good, set: "" })]])],
  ["an epoch that is no count", new Map([["set", encode({ ...good, epoch: -1 })]])],
  ["a tombstone without a version", new Map([["set", encode({ ...good, tombstones: [["a/b", 1]] })]])],
];

t.same(decodeRecord(new Map([["set", encode(good)]])), { set: "hsm/vault", epoch: 3, tombstones: new Map() });
for (const [says, keys] of others) {
  t.test(`${says} is no record`, async (t) => t.equal(decodeRecord(keys), undefined));
}
