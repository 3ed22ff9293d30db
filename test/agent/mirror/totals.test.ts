// SPDX-License-Identifier: Apache-2.0
// Tests that how much a token holds is told without a list while it has not changed, and is always that of the token that is there.
import t from "tap";
import { createMemoryStore } from "../../../scripts/local/memory-store.ts";
import { createMemberStore } from "../../../server/agent/mirror/member-store.ts";
import type { Change, SecretStore } from "../../../server/agent/store.ts";
import { fakeClock } from "../../doubles/clock.ts";
import { someKeys } from "../pkcs11/kill-points.ts";

const SET = "hsm/vault";
const PATH = "secrets/shop/db";

const put = (): Change => ({ type: "put", data: someKeys(["a", "b"]) });

/** A member on the first of the tokens; `exchange` plugs the other one in after so many calls. */
const setUp = async () => {
  const tokens = [createMemoryStore("first"), createMemoryStore("second")] as const;
  const slot = { left: Number.POSITIVE_INFINITY, lists: 0, afterList: async () => {} };
  const current = (): SecretStore => {
    slot.left -= 1;
    return slot.left < 0 ? tokens[1] : tokens[0];
  };
  const store: SecretStore = {
    ...tokens[0],
    read: (...call) => current().read(...call),
    list: async (...call) => {
      slot.lists += 1;
      const listed = await current().list(...call);
      await slot.afterList();
      return listed;
    },
    info: () => current().info(),
    change: (...call) => current().change(...call),
  };
  for (const token of tokens) {
    await createMemberStore(token).join({ set: SET, epoch: 1 });
    token.put(PATH, { key: "value" });
  }
  // Nothing but the sum of the versions tells the two apart, and which token it is.
  await tokens[1].change(PATH, put());
  const clock = fakeClock();
  const member = createMemberStore(store, clock);
  const totals = async () => {
    const before = slot.lists;
    const told = await member.totals();
    return { told, listed: slot.lists - before };
  };
  return { tokens, slot, clock, member, totals };
};

t.test("a token is listed once, and again after what may have changed it", async (t) => {
  const { tokens, clock, member, totals } = await setUp();
  const first = { kind: "totals", membership: { set: SET, epoch: 1 }, secrets: 1, versions: 1 };
  t.same(await totals(), { told: first, listed: 1 });
  t.same(await totals(), { told: first, listed: 0 });

  await member.change(PATH, put(), {}, 1);
  t.match(await totals(), { told: { secrets: 1, versions: 2 }, listed: 1 }, "a write");
  t.match(await totals(), { told: { secrets: 1, versions: 2 }, listed: 0 });
  await member.change(PATH, { type: "delete" }, {}, 1);
  t.match(await totals(), { told: { secrets: 0, versions: 3 }, listed: 1 }, "a deletion");
  await member.join({ set: SET, epoch: 2 });
  t.match(await totals(), { told: { membership: { epoch: 2 } }, listed: 1 }, "another epoch");
  await member.holding();
  t.match(await totals(), { told: { secrets: 0, versions: 3 }, listed: 0 }, "any list will do");

  tokens[0].put("secrets/of/others", { key: "value" });
  t.match(await totals(), { told: { secrets: 1, versions: 4 }, listed: 1 }, "an object of another program");
  await tokens[0].change("secrets/of/others", put());
  t.match(await totals(), { told: { versions: 4 }, listed: 0 }, "one in the place of another");
  await clock.pass(60_000);
  t.match(await totals(), { told: { versions: 5 }, listed: 1 }, "shows within a minute");
});

t.test("a list during a write says nothing for later", async (t) => {
  const { slot, member, totals } = await setUp();
  slot.afterList = async () => {
    slot.afterList = async () => {};
    await member.change(PATH, put(), {}, 1);
  };
  t.match(await totals(), { told: { versions: 1 }, listed: 1 });
  t.match(await totals(), { told: { versions: 2 }, listed: 1 });
});

for (let calls = 0; calls < 10; calls += 1) {
  t.test(`another token after ${calls} calls`, async (t) => {
    const { slot, totals } = await setUp();
    const before = await totals();
    t.match(before.told, { kind: "totals", versions: 1 });
    slot.left = calls;
    const { told } = await totals();
    // An answer of the one after the first call of the other would mix them.
    if (told.kind === "totals") t.equal(told.versions, slot.left < 0 ? 2 : 1);
    else t.equal(told.code, "TOKEN_UNAVAILABLE", "it was exchanged meanwhile");
    slot.left = -1;
    t.match((await totals()).told, { kind: "totals", versions: 2 }, "what is there now");
  });
}
