// SPDX-License-Identifier: Apache-2.0
// Tests the storage layouts: what each arrangement of objects on a token decodes to, as a table and as properties.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { encodePacked } from "../../../server/agent/storage/packed.ts";
import { listedPath, PACKED_APPLICATION, type TokenObject } from "../../../server/agent/storage/path.ts";
import { encodePerKey } from "../../../server/agent/storage/per-key.ts";
import { decodeSecret, listedPathOf } from "../../../server/agent/storage/secret.ts";

const value = randomBytes(16);
const other = randomBytes(16);
const plain = (label: string, bytes: Uint8Array = value): TokenObject => ({
  label,
  application: label,
  value: bytes,
});
const json = (label: string, content: unknown): TokenObject =>
  plain(label, Buffer.from(JSON.stringify(content)));
const packed = (
  path: string,
  version: number,
  keys: Record<string, Uint8Array>,
  options: { labels?: Record<string, string>; maxBytes?: number } = {},
): TokenObject[] =>
  encodePacked(
    {
      version,
      keys: new Map(Object.entries(keys)),
      metadata: options.labels === undefined ? {} : { labels: options.labels },
    },
    options.maxBytes,
  ).map((bytes) => ({ label: path, application: PACKED_APPLICATION, value: bytes }));
const versioned = (path: string, version: string, labels: Record<string, string> = {}): TokenObject =>
  json(`${path}/_metadata`, { labels: { "sync.version": version, ...labels } });

const splitObjects = packed("db", 7, { big: randomBytes(900) }, { maxBytes: 400 });
const [firstPart, ...laterParts] = splitObjects;
if (firstPart === undefined) throw new Error("the fixture is not split");

/** `keys` is what is found: names with their version; "absent" and "invalid" are themselves. */
const rows: { what: string; path?: string; objects: TokenObject[]; is: string }[] = [
  { what: "nothing on the token is absent", objects: [], is: "absent" },
  { what: "a label that equals the path is key data", objects: [plain("db")], is: "data v0" },
  { what: "one more segment is a key", objects: [plain("db/user"), plain("db/pass")], is: "pass,user v0" },
  { what: "a longer name is another path", objects: [plain("db-prod"), plain("db-prod/user")], is: "absent" },
  { what: "two more segments are another path", objects: [plain("db/a/b")], is: "absent" },
  {
    what: "metadata without a key is invalid: the token may hide the keys",
    objects: [versioned("db", "3")],
    is: "invalid",
  },
  {
    what: "metadata without a key beside an older packed secret is invalid",
    objects: [...packed("db", 2, { user: value }), versioned("db", "3")],
    is: "invalid",
  },
  {
    what: "metadata without a key beside a packed secret as new is a leftover",
    objects: [...packed("db", 3, { user: value }), versioned("db", "3")],
    is: "user v3",
  },
  {
    what: "a tombstone beside an incomplete packed write is invalid",
    objects: [...laterParts, versioned("db", "3", { "sync.deleted": "true" })],
    is: "invalid",
  },
  { what: "metadata counts writes", objects: [plain("db/user"), versioned("db", "3")], is: "user v3" },
  {
    what: "a version that is no count is 0",
    objects: [plain("db/user"), versioned("db", "new")],
    is: "user v0",
  },
  {
    what: "a tombstone is absent, whatever keys are left",
    objects: [plain("db/user"), versioned("db", "3", { "sync.deleted": "true" })],
    is: "absent",
  },
  {
    what: "metadata that is not JSON is invalid",
    objects: [plain("db/user"), plain("db/_metadata")],
    is: "invalid",
  },
  {
    what: "metadata is no key of any path",
    path: "db/_metadata",
    objects: [versioned("db", "3")],
    is: "absent",
  },
  {
    what: "one label twice with the same value is one key",
    objects: [plain("db/a"), plain("db/a")],
    is: "a v0",
  },
  {
    what: "one label twice with different values is invalid",
    objects: [plain("db/a"), plain("db/a", other)],
    is: "invalid",
  },
  {
    what: "data at the bare path and beside it with different values is invalid",
    objects: [plain("db"), plain("db/data", other)],
    is: "invalid",
  },
  { what: "a packed secret is found", objects: packed("db", 4, { user: value }), is: "user v4" },
  {
    what: "a packed secret of a longer name is another",
    objects: packed("db-prod", 4, { user: value }),
    is: "absent",
  },
  {
    what: "a packed secret one segment below is another",
    objects: packed("db/x", 4, { user: value }),
    is: "absent",
  },
  { what: "parts make a whole", objects: splitObjects, is: "big v7" },
  { what: "parts in any order make a whole", objects: [...laterParts, firstPart], is: "big v7" },
  { what: "parts without one of them are invalid, not absent", objects: laterParts, is: "invalid" },
  {
    what: "an incomplete newer version gives way to the older whole",
    objects: [...packed("db", 6, { user: value }), ...laterParts],
    is: "user v6",
  },
  {
    what: "an incomplete version gives way to per-key objects",
    objects: [plain("db/user"), ...laterParts],
    is: "user v0",
  },
  {
    what: "the higher packed version wins",
    objects: [...packed("db", 6, { old: value }), ...packed("db", 8, { new: value }), ...splitObjects],
    is: "new v8",
  },
  {
    what: "two secrets packed as the same version are invalid",
    objects: [...packed("db", 6, { a: value }), ...packed("db", 6, { b: value })],
    is: "invalid",
  },
  {
    what: "the same secret packed twice is found",
    objects: [...packed("db", 6, { a: value }), ...packed("db", 6, { a: value })],
    is: "a v6",
  },
  {
    what: "a packed tombstone hides older per-key objects",
    objects: [plain("db/user"), ...packed("db", 2, {}, { labels: { "sync.deleted": "true" } })],
    is: "absent",
  },
  {
    what: "per-key objects of a higher version win over packed",
    objects: [plain("db/user"), versioned("db", "9"), ...packed("db", 8, { packed: value })],
    is: "user v9",
  },
  {
    what: "packed wins a tie",
    objects: [plain("db/user"), versioned("db", "8"), ...packed("db", 8, { packed: value })],
    is: "packed v8",
  },
  {
    what: "bytes that are no CBOR under the packed application are invalid",
    objects: [{ label: "db", application: PACKED_APPLICATION, value }],
    is: "invalid",
  },
  {
    what: "a key may be called __proto__",
    objects: packed("db", 1, Object.fromEntries([["__proto__", value]])),
    is: "__proto__ v1",
  },
];

t.test("what objects mean for the path db", async (t) => {
  for (const { what, path = "db", objects, is } of rows) {
    const decoded = decodeSecret(path, objects);
    const said =
      decoded.kind === "found"
        ? `${[...decoded.data.keys()].sort().join(",")} v${decoded.version}`
        : decoded.kind;
    t.equal(said, is, what);
  }
});

t.test("a packed secret with one byte changed is never found", async (t) => {
  const [whole] = packed("db", 1, { user: value });
  if (whole === undefined) return t.fail("nothing was packed");
  for (let at = 0; at < whole.value.length; at += 1) {
    const bytes = Buffer.from(whole.value);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0x01, at);
    const decoded = decodeSecret("db", [{ ...whole, value: bytes }]);
    // The checksum covers keys and values; the version beside them may read differently, the data never.
    if (decoded.kind === "found") t.same(decoded.data.get("user"), value, `byte ${at}`);
  }
});

t.test("a part needs room for more than its frame", async (t) => {
  t.throws(() => packed("db", 1, { user: randomBytes(500) }, { maxBytes: 100 }), RangeError);
});

const listed: [label: string, path: string | undefined][] = [
  ["secrets/ns/db", "secrets/ns/db"],
  ["secrets/ns/db/user", "secrets/ns/db"],
  ["team/db/user", "team/db"],
  ["team/db", "team"],
  ["db", "db"],
  ["secrets/ns/db/_metadata", "secrets/ns/db"],
  ["secrets/ns/_metadata", "secrets/ns"],
  ["_metadata", undefined],
  ["a//b", undefined],
  ["a/../b", undefined],
  ["with space", undefined],
  ["", undefined],
];
t.test("under which path a list shows a label", async (t) => {
  for (const [label, path] of listed) t.equal(listedPath(label), path, JSON.stringify(label));
});

const segment = fc
  .stringMatching(/^[A-Za-z0-9._-]{1,6}$/)
  .filter((text) => text !== "." && text !== ".." && text !== "_metadata");
/** Names that are prefixes of each other are what goes wrong, so they are made on purpose. */
const name = fc.oneof(segment, fc.constantFrom("db", "db-prod", "db.prod", "d", "data", "__proto__"));
const keys = fc.uniqueArray(fc.tuple(name, fc.uint8Array({ maxLength: 300 })), {
  minLength: 1,
  maxLength: 4,
  selector: ([key]) => key,
});
const secrets = fc.uniqueArray(
  fc.record({ path: fc.tuple(name, name).map(([ns, last]) => `secrets/${ns}/${last}`), keys }),
  { maxLength: 12, selector: ({ path }) => path },
);

/** Throws where `path` does not have exactly these keys. */
const checkDecoded = (
  path: string,
  pairs: readonly [string, Uint8Array][],
  objects: readonly TokenObject[],
): void => {
  const decoded = decodeSecret(path, objects);
  if (decoded.kind !== "found") throw new Error(`${path} is ${decoded.kind}`);
  if (decoded.data.size !== pairs.length) throw new Error(`${path} has ${decoded.data.size} keys`);
  for (const [key, bytes] of pairs) {
    if (Buffer.compare(decoded.data.get(key) ?? Buffer.from("no"), bytes) !== 0) {
      throw new Error(`${path}/${key}`);
    }
  }
  if (decoded.checksum !== checksum(pairs)) throw new Error(`${path} has another checksum`);
};

/** Writes every secret with `encode`, shuffles, and expects to read back exactly each. */
const readsBack = (encode: (path: string, keys: Map<string, Uint8Array>) => TokenObject[]) =>
  fc.property(secrets, fc.infiniteStream(fc.nat()), (written, order) => {
    const objects = written
      .flatMap(({ path, keys: pairs }) => encode(path, new Map(pairs)))
      .map((object) => ({ object, at: order.next().value ?? 0 }))
      .sort((a, b) => a.at - b.at)
      .map(({ object }) => object);
    for (const { path, keys: pairs } of written) checkDecoded(path, pairs, objects);
    const shown = new Set(objects.map(listedPathOf));
    if (shown.size !== written.length || !written.every(({ path }) => shown.has(path))) {
      throw new Error("the list shows other paths");
    }
  });

const perKey = (path: string, pairs: Map<string, Uint8Array>): TokenObject[] =>
  encodePerKey(path, pairs, { description: path }).map((object) => ({
    ...object,
    application: object.label,
  }));

t.test("any set of paths and keys is read back exactly, and no path sees another's", async (t) => {
  fc.assert(readsBack(perKey), { numRuns: 300, seed: 20261122 });
  t.pass("per-key");
  fc.assert(
    readsBack((path, pairs) => packed(path, 1, Object.fromEntries(pairs))),
    { numRuns: 300, seed: 20261122 },
  );
  t.pass("packed whole");
  fc.assert(
    readsBack((path, pairs) => packed(path, 1, Object.fromEntries(pairs), { maxBytes: 230 })),
    { numRuns: 200, seed: 20261122 },
  );
  t.pass("packed in parts");
});
