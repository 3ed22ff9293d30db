// SPDX-License-Identifier: Apache-2.0
// Tests a kill at every PKCS#11 call of a delete: afterwards the secret is there whole, or not at all.
import t from "tap";
import { killAtEachCall, type Scenario, someKeys } from "./kill-points.ts";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);

const deleting = (names: readonly string[], bytes: number, objects: number): Scenario => ({
  before: async (store, path) => {
    const data = someKeys(names, bytes);
    await store.change(path, { type: "put", data });
    return data;
  },
  change: () => ({ change: { type: "delete" }, after: undefined }),
  objects: { before: objects, after: 0 },
});

t.test("of one packed object", async (t) => {
  const fixture = await tokenFixture(t);
  const killed = await killAtEachCall(t, fixture, fixture.openStore(), deleting(["a"], 24, 1), {
    every: true,
  });
  t.comment(`${killed.points} kills: ${killed.old} times the secret, ${killed.new} times nothing`);
});

t.test("of several packed objects", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore({ writes: { layout: "packed", maxObjectBytes: 512 } });
  const killed = await killAtEachCall(t, fixture, store, deleting(["a"], 600, 3));
  t.comment(`${killed.points} kills: ${killed.old} times the secret, ${killed.new} times nothing`);
  t.ok(killed.old > 0 && killed.new > 0);
});

t.test("of an object for each key", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore({ writes: { layout: "per-key" } });
  const killed = await killAtEachCall(t, fixture, store, deleting(["a", "b"], 24, 3));
  t.comment(`${killed.points} kills: ${killed.old} times the secret, ${killed.new} times nothing`);
  t.ok(killed.old > 0 && killed.new > 0);
});
