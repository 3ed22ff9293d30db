// SPDX-License-Identifier: Apache-2.0
// Tests the agent's cache of a token: its answers, and that no value outlives its replacement or the end.
import { randomBytes } from "node:crypto";
import t from "tap";
import { checksum } from "../../../../hooks/checksum.ts";
import type { Entry } from "../../../../server/agent/pkcs11/answers.ts";
import { createSecretCache } from "../../../../server/agent/pkcs11/parent/secret-cache.ts";

const entry = (path: string, value: Uint8Array, listed = true): Entry => ({
  path,
  listed,
  content: {
    kind: "found",
    keys: [["a", value]],
    checksum: checksum(new Map([["a", value]])),
    version: 1,
    layout: "packed",
    metadata: {},
  },
});

const isWiped = (value: Uint8Array): boolean => value.every((byte) => byte === 0);

t.test("reads and lists", async (t) => {
  const cache = createSecretCache();
  t.match(cache.read("a/b"), { kind: "absent" });
  const value = randomBytes(9);
  cache.update([
    entry("a/b", value),
    entry("a/hidden", randomBytes(3), false),
    { path: "a/bad", listed: true, content: { kind: "invalid", message: "m" } },
  ]);
  const read = cache.read("a/b");
  t.match(read, { kind: "found", version: 1 });
  t.match(cache.read("a/hidden"), { kind: "found" }, "a path that no list shows can be read");
  t.match(cache.read("a/bad"), { kind: "unavailable", code: "STORAGE_INVALID", message: "m" });
  const list = cache.list("a/");
  t.same(
    list.secrets.map(({ path, bytes }) => [path, bytes]),
    [["a/b", 9]],
  );
  t.same(list.invalid, ["a/bad"]);
  t.same(cache.list("b").secrets, []);
});

t.test("values are overwritten", async (t) => {
  const cache = createSecretCache();
  const [first, second, third] = [randomBytes(9), randomBytes(9), randomBytes(9)];
  cache.update([entry("a/b", first), entry("a/c", third)]);
  const read = cache.read("a/b");
  cache.update([entry("a/b", second)]);
  t.ok(isWiped(first), "when they are replaced");
  t.notOk(
    isWiped((read.kind === "found" && read.data.get("a")) || first),
    "an answer under way keeps its copy",
  );
  cache.update([{ path: "a/c", listed: true, content: { kind: "absent" } }]);
  t.ok(isWiped(third), "when the secret goes");
  cache.wipe();
  t.ok(isWiped(second), "and at the end");
  t.match(cache.read("a/b"), { kind: "absent" });
  t.same(cache.list("").secrets, []);
});
