// SPDX-License-Identifier: Apache-2.0
// Tests a card as a member of a set: its set record in objects of a card's size, and copies that are cut at each change of the card.
import t from "tap";
import { SET_PATH } from "../../../../server/agent/mirror/member.ts";
import { createMemberStore } from "../../../../server/agent/mirror/member-store.ts";
import type { Tombstone } from "../../../../server/agent/mirror/plan-pull.ts";
import { someKeys } from "../kill-points.ts";
import { cardFixture, cardTest, ready } from "./card-fixture.ts";
import { type CutScenario, cutAtApdus, isChanging, printTable } from "./cut-points.ts";

t.setTimeout(590_000);

const SET = "hsm/vault";

const tombstones = (count: number): Tombstone[] =>
  Array.from({ length: count }, (_, index) => ({
    path: `secrets/some-namespace/some-name-${String(index).padStart(3, "0")}`,
    epoch: 3,
    version: index + 1,
    history: [
      [1, 4],
      [2, index + 5],
    ],
  }));

cardTest("membership, a deletion, and more tombstones than fit an object", async (t) => {
  const { openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  const member = createMemberStore(store);
  t.same(await member.membership(), { kind: "known", membership: undefined, isEmpty: true });
  t.match(await member.join({ set: SET, epoch: 3 }), { kind: "written", outcome: "created" });
  const path = "secrets/shop/db";
  t.match(await member.change(path, { type: "put", data: someKeys(["a"]) }, {}, 3), { version: 1 });
  t.match(await member.change(path, { type: "delete" }, {}, 3), { kind: "deleted" });
  const many = tombstones(100);
  t.match(await member.record(many), { kind: "written", outcome: "changed" });
  const info = await store.info();
  t.ok(info.kind === "info" && info.objects === 2, "two objects hold a hundred of them");
  const other = openStore();
  await ready(other);
  const again = createMemberStore(other);
  t.same(await again.membership(), {
    kind: "known",
    membership: { set: SET, epoch: 3 },
    isEmpty: false,
  });
  const own = { path, epoch: 3, version: 2, history: [] };
  const held = await again.holding();
  t.same(
    held.kind === "holding" && [...held.holding.tombstones].sort((a, b) => (a.path < b.path ? -1 : 1)),
    [own, ...many].sort((a, b) => (a.path < b.path ? -1 : 1)),
    "another process reads them from the card",
  );
  t.match(await other.read(SET_PATH), { kind: "found", layout: "packed" });
  t.match(await other.info(), { damagedNames: 0, invalidLabels: 0 });
});

/** What is there has version 1. */
const copies = (): CutScenario[] =>
  [1, 0].map((version) => {
    const after = someKeys(["b", "c"]);
    return {
      name: `a copy of version ${version}`,
      before: someKeys(["a", "b"]),
      change: { type: "copy", data: after, metadata: {}, version },
      after,
    };
  });

cardTest("copies of the same and of a lower version, cut at each change of the card", async (t) => {
  const results = await Promise.all(
    copies().map(async (scenario) => {
      const fixture = await cardFixture(t);
      const isCut = (_: number, entry: { ins: number }): boolean => isChanging(entry);
      return cutAtApdus(fixture, "packed", scenario, { fault: "cut", at: isCut });
    }),
  );
  for (const { table, cuts } of results) printTable(t, `${cuts} cuts`, table);
  t.same(
    results.flatMap(({ faults }) => faults),
    [],
  );
  t.ok(results.every(({ cuts }) => cuts > 5));
});
