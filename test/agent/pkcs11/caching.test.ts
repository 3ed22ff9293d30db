// SPDX-License-Identifier: Apache-2.0
// Tests modules that cache and so hide other processes' writes, as OpenSC does: a second child loads beside the one that
// serves.
import { rmSync, writeFileSync } from "node:fs";
import t from "tap";
import type { TestToken } from "../../../scripts/local/softhsm-token.ts";
import type { ReadResult } from "../../../server/agent/store.ts";
import type { TestModule } from "../../doubles/pkcs11-module/build.ts";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);
const PATH = "secrets/a/db";
const userOf = (result: ReadResult): string => {
  if (result.kind !== "found") return result.kind === "unavailable" ? result.code : result.kind;
  return Buffer.from(result.data.get("user") ?? "").toString();
};
/** So long that no read takes it for another reason; and a start before it, of which a child may take ten times as long. */
const TAKEOVER_MS = 2_000;
const FIRST_MS = 400;
const OPENSC = ["snapshot", "manufacturer OpenSC"];

t.test("an unknown module is taken to cache", async (t) => {
  const { module, openStore } = await tokenFixture(t);
  module.control(...OPENSC);
  t.match(await openStore().info(), { cache: "cached" });
});

t.test("another process's write becomes visible after the takeover, and no read waits for it", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "old" });
  module.control(...OPENSC, `delay C_Initialize ${FIRST_MS}`);
  const store = openStore();
  t.equal(userOf(await store.read(PATH)), "old");
  await token.putPerKey(PATH, { user: "new" });
  t.equal(userOf(await store.read(PATH)), "old", "the module hides it");
  module.control(...OPENSC, `delay C_Initialize ${TAKEOVER_MS}`);
  let pending = true;
  const fresh = store.read(PATH, { fresh: true }).finally(() => {
    pending = false;
  });
  let [reads, wrong, longestMs] = [0, 0, 0];
  while (pending) {
    const from = performance.now();
    if (!["old", "new"].includes(userOf(await store.read(PATH)))) wrong += 1;
    longestMs = Math.max(longestMs, performance.now() - from);
    reads += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(userOf(await fresh), "new", "a fresh read waits for the new view");
  t.ok(reads > 10, "reads went on meanwhile");
  t.equal(wrong, 0, "and all of them were answered");
  t.comment(`${reads} reads during the takeover, the longest took ${longestMs.toFixed(1)} ms`);
  t.ok(longestMs < TAKEOVER_MS, "none waited for it");
  t.equal(userOf(await store.read(PATH)), "new", "and afterwards all see it");
  t.same(store.starts, ["start", "refresh"]);
});

t.test("the takeover comes by itself", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "old" });
  module.control(...OPENSC);
  const store = openStore({ refreshIntervalMs: 50 });
  t.equal(userOf(await store.read(PATH)), "old");
  await token.putPerKey(PATH, { user: "new" });
  await store.nextLoad(); // its child may have started before the write
  if (userOf(await store.read(PATH)) !== "new") await store.nextLoad();
  t.equal(userOf(await store.read(PATH)), "new");
});

t.test("a fresh read that ran out of time is paid by the view that it has asked for", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "old" });
  module.control(...OPENSC);
  const slow = openStore({ operationTimeoutMs: 2_000 });
  module.control(...OPENSC, "delay C_Initialize 1900"); // less than the limit of a first start
  await slow.healthIs(true);
  await token.putPerKey(PATH, { user: "new" });
  module.control(...OPENSC, "delay C_Initialize 4000");
  const first = await slow.read(PATH, { fresh: true });
  t.match(first, { kind: "unavailable", code: "TIMEOUT" });
  t.ok(first.kind === "unavailable" && first.retryAfterSeconds >= 1, "with a time to come back");
  await slow.nextLoad();
  const from = slow.starts.length;
  t.equal(userOf(await slow.read(PATH, { fresh: true })), "new", "the repeated request is satisfied");
  t.equal(slow.starts.length, from, "without another child");
});

const localFaults: [what: string, cause: (token: TestToken, module: TestModule) => void][] = [
  ["its PIN file is empty", ({ pinFile }) => writeFileSync(pinFile, "")],
  ["its PIN file is missing", ({ pinFile }) => rmSync(pinFile)],
  ["its module crashes", (_, module) => module.control(...OPENSC, "crash C_Initialize segv")],
  ["its module fails", (_, module) => module.control(...OPENSC, "fail C_OpenSession 0x30")],
];
for (const [what, cause] of localFaults) {
  t.test(`a second child that can't start does not end the first: ${what}`, async (t) => {
    const { token, module, openStore } = await tokenFixture(t);
    await token.putPerKey(PATH, { user: "old" });
    module.control(...OPENSC);
    const store = openStore();
    t.equal(userOf(await store.read(PATH)), "old");
    cause(token, module);
    t.equal(userOf(await store.read(PATH, { fresh: true })), "TOKEN_UNAVAILABLE", "a new view needs it");
    t.equal(userOf(await store.read(PATH)), "old", "the old one is still served");
    t.match(store.health(), { ready: true });
  });
}

t.test("a device that was removed is not answered for from memory", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "old" });
  module.control(...OPENSC);
  const store = openStore();
  t.equal(userOf(await store.read(PATH)), "old");
  module.control(...OPENSC, "fail C_OpenSession 0x32");
  await store.read(PATH, { fresh: true });
  t.equal(userOf(await store.read(PATH)), "TOKEN_UNAVAILABLE");
});

t.test("a token that is gone is not answered for from memory", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "old" });
  module.control(...OPENSC);
  const store = openStore();
  t.equal(userOf(await store.read(PATH)), "old");
  module.control(...OPENSC, "absent");
  t.equal(userOf(await store.read(PATH, { fresh: true })), "TOKEN_UNAVAILABLE");
  t.equal(userOf(await store.read(PATH)), "TOKEN_UNAVAILABLE", "the child that served is gone, too");
  t.match(store.health(), { ready: false, code: "TOKEN_UNAVAILABLE" });
  module.control(...OPENSC);
  t.equal(userOf(await store.read(PATH)), "old", "and is back when the token is");
});
