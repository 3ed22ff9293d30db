// SPDX-License-Identifier: Apache-2.0
// Tests a read of a secret that changes while its objects are read.
import t from "tap";
import { readConsistently, type Unread } from "../../../../server/agent/pkcs11/child/path-reading.ts";
import { METADATA_SEGMENT } from "../../../../server/agent/storage/path.ts";

const name = (label: string) => ({ label, application: label });
const objects = [name("db/user"), name(`db/${METADATA_SEGMENT}`)];

/** Reads objects whose value is the version that `versionAt` gives for the n-th look, from 1. */
const readWith = (versionAt: (look: number) => number | Unread) => {
  let looks = 0;
  const read = readConsistently(objects, (object) => {
    looks += 1;
    const version = versionAt(looks);
    return typeof version === "string" ? version : { ...object, value: Buffer.from([version]) };
  });
  if (read === "stale") return { looks, versions: read };
  const unread = read.unread.map(({ label }) => label);
  return { looks, versions: [...read.objects.map(({ value }) => value[0]), ...unread] };
};

const rows: [what: string, versionAt: (look: number) => number | Unread, versions: unknown, looks: number][] =
  [
    ["a token at rest is read once, its metadata twice", () => 1, [1, 1], 3],
    ["a write before the key is read again", (look) => (look < 2 ? 1 : 2), [2, 2], 6],
    ["a write after the key is read again", (look) => (look < 3 ? 1 : 2), [2, 2], 6],
    ["a token that never rests is stale", (look) => look, "stale", 9],
    ["an object that can't be read is named", (look) => (look === 2 ? "unreadable" : 1), [1, "db/user"], 3],
    ["an object that is gone is stale", (look) => (look === 2 ? "stale" : 1), "stale", 3],
  ];

t.test("reading while somebody writes", async (t) => {
  for (const [what, versionAt, versions, looks] of rows) {
    t.same(readWith(versionAt), { looks, versions }, what);
  }
});
