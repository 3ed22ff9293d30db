// SPDX-License-Identifier: Apache-2.0
// Tests the child's cache of the token on SoftHSM2 in this process: its own writes and those of others.
import t, { type Test } from "tap";
import type { Entry } from "../../../../server/agent/pkcs11/answers.ts";
import { HeldToken } from "../../../../server/agent/pkcs11/child/held-token.ts";
import type { IndexedObject } from "../../../../server/agent/pkcs11/child/label-index.ts";
import { loadToken } from "../../../../server/agent/pkcs11/child/load.ts";
import type { PinGate } from "../../../../server/agent/pkcs11/child/login.ts";
import {
  createObject,
  destroyObject,
  type ReadObject,
} from "../../../../server/agent/pkcs11/child/objects.ts";
import { readSecret } from "../../../../server/agent/pkcs11/child/path-reading.ts";
import { type Attached, attachToken } from "../../../../server/agent/pkcs11/child/session.ts";
import { View } from "../../../../server/agent/pkcs11/child/view.ts";
import { tokenFixture } from "../token-fixture.ts";

t.setTimeout(120_000);

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
  const cached: Attached = { ...attached, ways: { ...attached.ways, cache: "cached", shownObjects: 128 } };
  return { token, attached, cached };
};

const hold = async (attached: Attached): Promise<HeldToken> => {
  const loaded = await loadToken(attached, ignore);
  if (loaded === "stale") throw new Error("the token is restless");
  return new HeldToken(attached, loaded, ignore);
};

/** Makes the one key of a per-key secret, and tells `held` of it. */
const makeKey = (held: HeldToken, path: string, value = "1"): ReadObject => {
  const label = `${path}/user`;
  const object = { label, application: label, value: Buffer.from(value) };
  const made = { ...object, handle: createObject(held.session, object) };
  held.made(made);
  return made;
};

const kindAt = (held: HeldToken, path: string): string => {
  const decoded = readSecret(held, path);
  return decoded === "stale" ? decoded : decoded.kind;
};

t.test("a live token", async (t) => {
  const { token, attached } = await attach(t);
  await token.putPerKey(A, { user: "1" });
  const held = await hold(attached);
  const { objects } = held.describe();
  t.equal(kindAt(held, A), "found");

  const made = makeKey(held, B);
  t.equal(kindAt(held, B), "found", "an own object is known at once");
  t.equal(held.count(), objects + 1);
  t.same(held.takeTouched().sort(), [B, `${B}/user`], "the object may be a key or a secret by itself");
  t.same(held.takeTouched(), [], "a path is told once");
  destroyObject(held.session, made.handle);
  held.removed(made);
  held.removed(made);
  t.equal(kindAt(held, B), "absent");
  t.equal(held.count(), objects, "an object is counted out once");

  await token.putPerKey(B, { user: "2" });
  t.equal(kindAt(held, B), "absent", "what another process has made is not known");
  await held.catchUp(B);
  t.equal(kindAt(held, B), "found", "before it is asked for by a write");
  await token.remove(B);
  t.equal(kindAt(held, B), "stale", "what another process has removed is stale");
  t.equal(await held.reload(), "loaded");
  t.equal(kindAt(held, B), "absent", "until the token is loaded anew");
  t.equal(held.describe().shown, null);
});

t.test("a token whose module caches", async (t) => {
  const { token, cached } = await attach(t);
  await token.putPerKey(A, { user: "1" });
  const held = await hold(cached);
  const view = new View(held, ignore);
  const listed = (entries: Entry[]): Entry[] => entries.filter((entry) => entry.listed);
  t.same(listed(view.entries()), [{ path: A, listed: true, content: view.read(A) }], "all is told at first");
  t.same(view.changedEntries(), [], "and only what has changed later");

  const before = held.describe();
  makeKey(held, B);
  t.match(held.describe().shown, { objects: (before.shown?.objects ?? 0) + 1, limit: 128 });
  t.same(listed(view.changedEntries()), [{ path: B, listed: true, content: view.read(B) }]);
  await token.remove(A);
  await held.catchUp(A);
  t.equal(kindAt(held, A), "found", "other processes' writes are not seen");

  const [stuck] = held.loaded.index.objectsOf(A);
  held.notRemoved(stuck as IndexedObject);
  t.match(held.unreadable(), [{ label: `${A}/user` }], "what was not removed may not be readable either");
  t.match(listed(view.changedEntries()), [{ path: A, content: { kind: "invalid" } }]);
  t.equal(await held.reload(), "loaded");
  t.same(held.unreadable(), []);
  t.equal(kindAt(held, A), "absent");
});
