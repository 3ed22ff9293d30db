// SPDX-License-Identifier: Apache-2.0
// Tests how a change applies to a secret's content: a row for each pair of change and state.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { checksum } from "../../hooks/checksum.ts";
import { MAX_SECRET_BYTES } from "../../hooks/formats.ts";
import { applyChange, type PlannedChange } from "../../server/agent/apply-change.ts";
import type { Change, Precondition, Secret } from "../../server/agent/store.ts";

const [user, pass, other] = [randomBytes(9), randomBytes(9), randomBytes(9)];
const map = <V>(entries: Record<string, V>): Map<string, V> => new Map(Object.entries(entries));
const secretOf = (data: Record<string, Uint8Array>, metadata: Secret["metadata"] = {}): Secret => ({
  data: map(data),
  checksum: checksum(map(data)),
  version: 7,
  layout: "packed",
  metadata,
});
const both = secretOf({ user, pass });
const described = secretOf(
  { user },
  { description: "before", source: "cli", labels: { team: "a", tier: "b", "sync.version": "7" } },
);
const sum = both.checksum;
const none = "sha256:0";

type Row = [
  sentence: string,
  current: Secret | undefined,
  change: Change,
  precondition: Precondition,
  expected: object,
];
const put = (data: Record<string, Uint8Array>, metadata?: Secret["metadata"]): Change => ({
  type: "put",
  data: map(data),
  ...(metadata && { metadata }),
});
const patch = (
  data: Record<string, Uint8Array | null>,
  metadata?: (Change & { type: "patch" })["metadata"],
): Change => ({ type: "patch", data: map(data), ...(metadata && { metadata }) });
const writes = (data: Record<string, Uint8Array>, metadata: object = {}) => ({
  kind: "write",
  content: { data: map(data), metadata },
});
const done = (result: object) => ({ kind: "done", result });
const absent = done({ kind: "absent" });
const unchanged = ({ checksum: same, data }: Secret) =>
  done({
    kind: "written",
    outcome: "unchanged",
    before: same,
    checksum: same,
    version: 7,
    keys: [...data.keys()].sort(),
  });
const failed = (before: string | null) => done({ kind: "precondition", before });

const rows: Row[] = [
  ["a put makes what is not there", undefined, put({ user }), {}, writes({ user })],
  ["a put takes away the keys that it does not name", both, put({ user }), {}, writes({ user })],
  ["a put of the same is unchanged", both, put({ pass, user }), {}, unchanged(both)],
  ["a put of another value is a write", both, put({ user, pass: other }), {}, writes({ user, pass: other })],
  ["a put of another name is a write", both, put({ user, word: pass }), {}, writes({ user, word: pass })],
  [
    "a put without metadata keeps it, but for the agent's own labels",
    described,
    put({ pass }),
    {},
    writes({ pass }, { description: "before", source: "cli", labels: { team: "a", tier: "b" } }),
  ],
  ["the agent's own labels make no difference", described, put({ user }), {}, unchanged(described)],
  [
    "a put's fields of the metadata go in the place of those that are there, labels whole",
    described,
    put({ user }, { description: "after", labels: { team: "c" } }),
    {},
    writes({ user }, { description: "after", source: "cli", labels: { team: "c" } }),
  ],
  [
    "a put's own labels of the agent are left out",
    undefined,
    put({ user }, { labels: { "sync.deleted": "true", team: "a" } }),
    {},
    writes({ user }, { labels: { team: "a" } }),
  ],
  [
    "the same metadata in another order is unchanged",
    described,
    put({ user }, { source: "cli", description: "before", labels: { tier: "b", team: "a" } }),
    {},
    unchanged(described),
  ],
  [
    "If-None-Match: * makes what is not there",
    undefined,
    put({ user }),
    { ifNoneMatch: "*" },
    writes({ user }),
  ],
  ["If-None-Match: * leaves what is there", both, put({ user }), { ifNoneMatch: "*" }, failed(sum)],
  ["also where it is the same", both, put({ user, pass }), { ifNoneMatch: "*" }, failed(sum)],
  ["If-None-Match of the tag leaves it", both, put({ user }), { ifNoneMatch: [none, sum] }, failed(sum)],
  ["If-None-Match of another tag writes", both, put({ user }), { ifNoneMatch: [none] }, writes({ user })],
  ["If-Match of the tag writes", both, put({ user }), { ifMatch: [none, sum] }, writes({ user })],
  ["If-Match of another tag does not", both, put({ user }), { ifMatch: [none] }, failed(sum)],
  ["If-Match of nothing matches nothing", both, put({ user }), { ifMatch: [] }, failed(sum)],
  ["If-Match: * writes what is there", both, put({ user }), { ifMatch: "*" }, writes({ user })],
  ["If-Match: * does not make what is not", undefined, put({ user }), { ifMatch: "*" }, failed(null)],
  ["both headers have to hold", both, put({ user }), { ifMatch: [sum], ifNoneMatch: [sum] }, failed(sum)],
  ["a patch makes nothing", undefined, patch({ user }), {}, absent],
  ["a patch with If-Match of what is not there", undefined, patch({ user }), { ifMatch: "*" }, failed(null)],
  ["a patch with If-None-Match of what is not there", undefined, patch({}), { ifNoneMatch: "*" }, absent],
  ["a patch sets and leaves", both, patch({ pass: other }), {}, writes({ user, pass: other })],
  ["a patch adds", both, patch({ more: other }), {}, writes({ user, pass, more: other })],
  ["a patch's null removes", both, patch({ pass: null }), {}, writes({ user })],
  ["a patch's null of no key is nothing", both, patch({ more: null }), {}, unchanged(both)],
  ["an empty patch is nothing", both, patch({}), {}, unchanged(both)],
  [
    "a patch can change all keys",
    both,
    patch({ user: null, pass: null, more: other }),
    {},
    writes({ more: other }),
  ],
  ["a patch leaves a key", both, patch({ user: null, pass: null }), {}, done({ kind: "last-key" })],
  ["a patch with another tag", both, patch({ user: other }), { ifMatch: [none] }, failed(sum)],
  [
    "a patch of metadata sets by name",
    described,
    patch({}, { description: "after", labels: { team: "c" } }),
    {},
    writes({ user }, { description: "after", source: "cli", labels: { team: "c", tier: "b" } }),
  ],
  [
    "null removes fields and labels of the metadata",
    described,
    patch({}, { description: null, labels: { team: null, none: null } }),
    {},
    writes({ user }, { source: "cli", labels: { tier: "b" } }),
  ],
  [
    "null removes all labels",
    described,
    patch({}, { labels: null }),
    {},
    writes({ user }, { description: "before", source: "cli" }),
  ],
  ["a delete", both, { type: "delete" }, {}, { kind: "delete" }],
  ["a delete of nothing", undefined, { type: "delete" }, {}, absent],
  ["a delete with the tag", both, { type: "delete" }, { ifMatch: [sum] }, { kind: "delete" }],
  ["a delete with another tag", both, { type: "delete" }, { ifMatch: [none] }, failed(sum)],
  ["a delete with a tag of nothing", undefined, { type: "delete" }, { ifMatch: [none] }, failed(null)],
  ["a key is deleted", both, { type: "delete-key", key: "pass" }, {}, writes({ user })],
  [
    "the metadata stays where a key is deleted",
    secretOf({ user, pass }, { description: "before", labels: { "sync.version": "3" } }),
    { type: "delete-key", key: "pass" },
    {},
    writes({ user }, { description: "before" }),
  ],
  [
    "the last key takes the secret with it",
    described,
    { type: "delete-key", key: "user" },
    {},
    { kind: "delete" },
  ],
  ["a key that is not there", both, { type: "delete-key", key: "none" }, {}, done({ kind: "key-absent" })],
  ["a key of nothing", undefined, { type: "delete-key", key: "user" }, {}, absent],
  ["a key with another tag", both, { type: "delete-key", key: "pass" }, { ifMatch: [none] }, failed(sum)],
  ["a repack to the same layout", both, { type: "repack", layout: "packed" }, {}, unchanged(both)],
  [
    "a repack to the other layout",
    described,
    { type: "repack", layout: "per-key" },
    {},
    {
      ...writes({ user }, { description: "before", source: "cli", labels: { team: "a", tier: "b" } }),
      layout: "per-key",
    },
  ],
  ["a repack of nothing", undefined, { type: "repack", layout: "packed" }, {}, absent],
];

/** An intent for comparing: maps as sorted lists, bytes as text. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (value instanceof Map) return [...value].sort().map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, part]) => [name, plain(part)]),
  );
};

for (const [sentence, current, change, precondition, expected] of rows) {
  t.test(sentence, async (t) => {
    const before = current && structuredClone(current);
    t.strictSame(plain(applyChange(current, change, precondition)), plain(expected));
    t.same(current, before, "the secret itself is as it was");
  });
}

t.test("the size of a secret has a limit, whatever brings it there", async (t) => {
  const half = new Uint8Array(MAX_SECRET_BYTES / 2);
  const full = secretOf({ a: half, b: half });
  const limit = new RegExp(`${MAX_SECRET_BYTES}`);
  const refused = { kind: "done", result: { kind: "refused", code: "SECRET_TOO_LARGE", message: limit } };
  t.match(applyChange(undefined, put({ a: half, b: half }), {}), { kind: "write" }, "the limit itself");
  t.match(applyChange(undefined, put({ a: half, b: half, c: user }), {}), refused, "a put");
  t.match(applyChange(full, patch({ c: user }), {}), refused, "a patch that is small itself");
  t.match(applyChange(full, patch({ c: user, a: null }), {}), { kind: "write" }, "room is made first");
});

t.test("a write comes to the content that was asked for, and then to nothing", async (t) => {
  const data = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.uint8Array({ maxLength: 4 }), {
    minKeys: 1,
  });
  const written = () =>
    fc.assert(
      fc.property(data, data, (first, second) => {
        const after = (intent: PlannedChange, before: Secret): Secret => {
          if (intent.kind === "delete") throw new Error("a put deletes");
          return intent.kind === "done" ? before : secretOf(Object.fromEntries(intent.content.data));
        };
        const current = secretOf(first);
        const written = after(applyChange(current, put(second), {}), current);
        if (written.checksum !== checksum(map(second))) throw new Error("another content");
        if (applyChange(written, put(second), {}).kind !== "done") throw new Error("written twice");
      }),
    );
  t.doesNotThrow(written);
});
