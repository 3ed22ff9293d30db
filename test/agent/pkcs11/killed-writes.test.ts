// SPDX-License-Identifier: Apache-2.0
// Tests a kill at every PKCS#11 call of a write: afterwards the old or the new secret is there whole, without leftovers.
import t from "tap";
import { killAtEachCall, type Scenario, someKeys } from "./kill-points.ts";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);

const NAMES = ["a", "b"];

const replace = (names: readonly string[], bytes: number, objects: Scenario["objects"]): Scenario => ({
  before: async (store, path) => {
    const data = someKeys(names, bytes);
    await store.change(path, { type: "put", data });
    return data;
  },
  change: () => {
    const data = someKeys(names, bytes);
    return { change: { type: "put", data }, after: data };
  },
  objects,
});

t.test("packed, one object replaces one", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore();
  const killed = await killAtEachCall(t, fixture, store, replace(NAMES, 24, { before: 1, after: 1 }), {
    every: true,
  });
  t.comment(`${killed.points} kills: ${killed.old} times the old secret, ${killed.new} times the new one`);
  t.ok(killed.old > 0 && killed.new > 0);
});

t.test("packed, split over several objects, replaces the like", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore({ writes: { layout: "packed", maxObjectBytes: 512 } });
  const killed = await killAtEachCall(t, fixture, store, replace(["a"], 600, { before: 3, after: 3 }));
  t.comment(`${killed.points} kills: ${killed.old} times the old secret, ${killed.new} times the new one`);
  t.ok(killed.old > 0 && killed.new > 0);
});

t.test("packed, split over several objects, where nothing was", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore({ writes: { layout: "packed", maxObjectBytes: 512 } });
  const killed = await killAtEachCall(t, fixture, store, {
    ...replace(["a"], 600, { before: 0, after: 3 }),
    before: async () => undefined,
  });
  t.comment(`${killed.points} kills: ${killed.old} times nothing, ${killed.new} times the new secret`);
  t.ok(killed.old > 0 && killed.new > 0);
});
