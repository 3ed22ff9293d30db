// SPDX-License-Identifier: Apache-2.0
// Tests the child's cache of the token on SoftHSM2 in this process: its own writes and those of others.
import t, { type Test } from "tap";
import type { Entry } from "../../../../server/agent/pkcs11/answers.ts";
import type { IndexedObject } from "../../../../server/agent/pkcs11/child/label-index.ts";
import { loadToken } from "../../../../server/agent/pkcs11/child/load.ts";
import type { PinGate } from "../../../../server/agent/pkcs11/child/login.ts";
import {
  createObject,
  destroyObject,
  type ReadObject,
} from "../../../../server/agent/pkcs11/child/module-calls.ts";
import { readSecret } from "../../../../server/agent/pkcs11/child/path-reading.ts";
import { type Attached, attachToken } from "../../../../server/agent/pkcs11/child/session.ts";
import { TokenCache, View } from "../../../../server/agent/pkcs11/child/token-cache.ts";
import { tokenFixture } from "../token-fixture.ts";

t.setTimeout(590_000);

const gate: PinGate = { ask: async () => undefined, ended: () => undefined };
const ignore = (): undefined => undefined;
const A = "secrets/a/db";
const B = "secrets/b/db";

/** The token of a test, attached in this process; `cached` has its module taken for one that caches. */
const attach = async (t: Test) => {
  const { token } = await tokenFixture(t);
  Object.assign(process.env, token.env);
  const attached = await attachToken(
    {
      type: "configure",
      module: token.module,
      tokenLabel: token.label,
      pinFile: token.pinFile,
      cache: "live",
      writable: true,
      pinKey: Buffer.alloc(32),
    },
    gate,
    ignore,
  );
  t.teardown(() => attached.module.finalize());
  const cached: Attached = {
    ...attached,
    quirks: { ...attached.quirks, cache: "cached", shownObjects: 128 },
  };
  return { token, attached, cached };
};

const hold = async (attached: Attached): Promise<TokenCache> => {
  const loaded = await loadToken(attached, ignore);
  if (loaded === "stale") throw new Error("the token is restless");
  return new TokenCache(attached, loaded, ignore);
};

/** Makes the one key of a per-key secret, and tells `held` of it. */
const makeKey = (cache: TokenCache, path: string, value = "1"): ReadObject => {
  const label = `${path}/user`;
  const object = { label, application: label, value: Buffer.from(value) };
  const made = { ...object, handle: createObject(cache.session, object) };
  cache.made(made);
  return made;
};

const kindAt = (cache: TokenCache, path: string): string => {
  const decoded = readSecret(cache, path);
  return decoded === "stale" ? decoded : decoded.kind;
};

t.test("a live token", async (t) => {
  const { token, attached } = await attach(t);
  await token.putPerKey(A, { user: "1" });
  const cache = await hold(attached);
  const { objects } = cache.describe();
  t.equal(kindAt(cache, A), "found");

  const made = makeKey(cache, B);
  t.equal(kindAt(cache, B), "found", "an own object is known at once");
  t.equal(cache.count(), objects + 1);
  t.same(cache.takeTouched().sort(), [B, `${B}/user`], "the object may be a key or a secret by itself");
  t.same(cache.takeTouched(), [], "a path is told once");
  destroyObject(cache.session, made.handle);
  cache.removed(made);
  cache.removed(made);
  t.equal(kindAt(cache, B), "absent");
  t.equal(cache.count(), objects, "an object is counted out once");

  await token.putPerKey(B, { user: "2" });
  t.equal(kindAt(cache, B), "absent", "what another process has made is not known");
  await cache.catchUp(B);
  t.equal(kindAt(cache, B), "found", "before it is asked for by a write");
  await token.remove(B);
  t.equal(kindAt(cache, B), "stale", "what another process has removed is stale");
  t.equal(await cache.reload(), "loaded");
  t.equal(kindAt(cache, B), "absent", "until the token is loaded anew");
  t.equal(cache.describe().shown, null);
});

t.test("a token whose module caches", async (t) => {
  const { token, cached } = await attach(t);
  await token.putPerKey(A, { user: "1" });
  const cache = await hold(cached);
  const view = new View(cache, ignore);
  const listed = (entries: Entry[]): Entry[] => entries.filter((entry) => entry.listed);
  t.same(listed(view.entries()), [{ path: A, listed: true, content: view.read(A) }], "all is told at first");
  t.same(view.changedEntries(), [], "and only what has changed later");

  const before = cache.describe();
  makeKey(cache, B);
  t.match(cache.describe().shown, { objects: (before.shown?.objects ?? 0) + 1, limit: 128 });
  t.same(listed(view.changedEntries()), [{ path: B, listed: true, content: view.read(B) }]);
  await token.remove(A);
  await cache.catchUp(A);
  t.equal(kindAt(cache, A), "found", "other processes' writes are not seen");

  const [stuck] = cache.loaded.index.objectsOf(A);
  cache.notRemoved(stuck as IndexedObject);
  t.match(cache.unreadable(), [{ label: `${A}/user` }], "what was not removed may not be readable either");
  t.match(listed(view.changedEntries()), [{ path: A, content: { kind: "invalid" } }]);
  t.equal(await cache.reload(), "loaded");
  t.same(cache.unreadable(), []);
  t.equal(kindAt(cache, A), "absent");
});
