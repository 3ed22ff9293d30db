// SPDX-License-Identifier: Apache-2.0
// Tests a kill at every call of the module that changes the token, in a member's deletion: the next agent shows the secret or its
// tombstone, and what it has once shown as deleted is gone.
import t from "tap";
import { createMemberStore } from "../../../server/agent/mirror/member-store.ts";
import type { SecretStore } from "../../../server/agent/store.ts";
import { someKeys } from "../pkcs11/kill-points.ts";
import { tokenFixture } from "../pkcs11/token-fixture.ts";

t.setTimeout(590_000);

/** No deletion has so many. */
const MOST_CALLS = 20;

/** What the next agent shows of the path, and what is wrong with that. */
const shownOf = async (store: SecretStore, path: string): Promise<{ shown: string; fault?: string }> => {
  const held = await createMemberStore(store).holding();
  if (held.kind !== "holding") return { shown: "nothing", fault: `${path}: ${held.message}` };
  const { secrets, tombstones } = held.holding;
  const [secret] = secrets.filter((one) => one.path === path);
  const [tombstone] = tombstones.filter((one) => one.path === path);
  const read = await store.read(path);
  const shown = `${secret?.stamp.version ?? "-"} ${tombstone?.version ?? "-"} ${read.kind}`;
  return ["1 - found", "- 2 absent"].includes(shown) ? { shown } : { shown, fault: `${path}: ${shown}` };
};

for (const layout of ["packed", "per-key"] as const) {
  t.test(`${layout}: a deletion`, async (t) => {
    const { openStore, module } = await tokenFixture(t);
    const store = openStore({ writes: { layout } });
    await createMemberStore(store).join({ set: "hsm/vault", epoch: 1 });
    const faults: string[] = [];
    const states: string[] = [];
    for (let nth = 1; nth <= MOST_CALLS; nth += 1) {
      const member = createMemberStore(store);
      const path = `secrets/kill/at-${nth}`;
      await member.change(path, { type: "put", data: someKeys(["a", "b"]) }, {}, 1);
      await store.refresh();
      module.control(`kill changing ${nth}`);
      const result = await member.change(path, { type: "delete" }, {}, 1);
      module.control();
      await store.refresh();
      const between = await store.read(path);
      const { shown, fault } = await shownOf(store, path);
      states.push(`${result.kind}, ${between.kind} at first: ${shown}`);
      if (fault !== undefined) faults.push(fault);
      if (result.kind === "deleted") break;
      if (result.kind !== "uncertain") faults.push(`${path}: ${JSON.stringify(result)}`);
    }
    t.same(faults, []);
    for (const state of states) t.comment(state);
    t.ok(states.at(-1)?.startsWith("deleted, absent"), "at last it was not killed");
    t.ok(
      states.some((state) => state.startsWith("uncertain, found at first: - 2")),
      "a recorded deletion was finished by the next agent",
    );
    t.ok(
      states.some((state) => state.endsWith("1 - found")),
      "one was not recorded",
    );
    t.match(await store.repair(true), { kind: "repaired", results: [] }, "nothing is left over");
  });
}

t.test(
  "what another program writes at the path of a deletion is not taken for what was deleted",
  async (t) => {
    const { openStore } = await tokenFixture(t);
    const store = openStore();
    const path = "secrets/shop/db";
    await store.change(path, { type: "put", data: someKeys(["a"]) });
    const member = createMemberStore(store);
    await member.join({ set: "hsm/vault", epoch: 1 });
    t.match(await member.change(path, { type: "delete" }, {}, 1), { kind: "deleted" });
    await store.change(path, { type: "put", data: someKeys(["a"]) });
    const held = await createMemberStore(store).holding();
    t.match(held, { holding: { secrets: [{ path, stamp: { epoch: 0, version: 1 } }], tombstones: [] } });
    t.match(await store.read(path), { kind: "found" }, "and it is still there");
    t.match(await member.change(path, { type: "put", data: someKeys(["a"]) }, {}, 1), { version: 3 });
    t.match(await member.holding(), {
      holding: { secrets: [{ stamp: { epoch: 1, version: 3, history: [[0, 1]] } }] },
    });
  },
);

t.test("the next write finishes a deletion that was cut", async (t) => {
  const { openStore, module } = await tokenFixture(t);
  const store = openStore();
  const path = "secrets/shop/db";
  const data = someKeys(["a"]);
  const first = createMemberStore(store);
  await first.join({ set: "hsm/vault", epoch: 1 });
  await first.change(path, { type: "put", data }, {}, 1);
  await store.refresh();
  module.control("kill changing 3");
  t.match(await first.change(path, { type: "delete" }, {}, 1), { kind: "uncertain" });
  module.control();
  await store.refresh();
  t.match(await store.read(path), { kind: "found" }, "the tombstone alone was written");
  t.match(await first.forget([{ path, epoch: 1, version: 2, history: [] }]), { outcome: "unchanged" });
  const next = createMemberStore(store);
  const again = await next.change(path, { type: "put", data }, { ifNoneMatch: "*" }, 1);
  t.match(again, { kind: "written", outcome: "created", version: 3 });
  t.match(await next.holding(), { holding: { secrets: [{ stamp: { version: 3 } }], tombstones: [] } });
});
