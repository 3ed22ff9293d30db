// SPDX-License-Identifier: Apache-2.0
// Tests a kill at every PKCS#11 call of a write in the per-key layout, whose secrets are many objects, and of a migration
// between the layouts.
import t from "tap";
import { killAtEachCall, someKeys } from "./kill-points.ts";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);

t.test("per-key: one key changes, one goes, one comes", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore({ writes: { layout: "per-key" } });
  const killed = await killAtEachCall(t, fixture, store, {
    before: async (store, path) => {
      const data = someKeys(["changes", "goes"]);
      await store.change(path, { type: "put", data });
      return data;
    },
    change: () => {
      const data = someKeys(["changes", "comes"]);
      return { change: { type: "put", data }, after: data };
    },
    objects: { before: 3, after: 3 },
  });
  t.comment(`${killed.points} kills: ${killed.old} times the old secret, ${killed.new} times the new one`);
  t.ok(killed.old > 0 && killed.new > 0);
});

t.test("a secret of pkcs11-tool becomes a packed one", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore();
  const killed = await killAtEachCall(t, fixture, store, {
    before: async (_, path) => {
      const data = someKeys(["a", "b"]);
      await fixture.token.putPerKey(path, Object.fromEntries(data));
      return data;
    },
    change: () => {
      const data = someKeys(["a"]);
      return { change: { type: "put", data }, after: data };
    },
    objects: { before: 2, after: 1 },
  });
  t.comment(`${killed.points} kills: ${killed.old} times the old secret, ${killed.new} times the new one`);
  t.ok(killed.old > 0 && killed.new > 0);
});
