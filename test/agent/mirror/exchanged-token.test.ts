// SPDX-License-Identifier: Apache-2.0
// Tests that what is told of a member is told of one token, where another one is plugged in at any moment in between.
import t from "tap";
import { createMemoryStore } from "../../../scripts/local/memory-store.ts";
import { createMemberStore } from "../../../server/agent/mirror/member-store.ts";
import { type SecretStore, unavailable } from "../../../server/agent/store.ts";
import { someKeys } from "../pkcs11/kill-points.ts";

const PATH = "secrets/shop/db";

/** A slot with one of several tokens: `exchange` has the next one come after so many calls. */
const slotOf = (tokens: readonly SecretStore[]) => {
  let [at, left] = [0, Number.POSITIVE_INFINITY];
  const current = (): SecretStore => {
    if (left === 0) at += 1;
    left -= 1;
    const token = tokens[at];
    if (token === undefined) throw new Error("no such token");
    return token;
  };
  const store: SecretStore = {
    read: (...call) => current().read(...call),
    list: (...call) => current().list(...call),
    info: () => current().info(),
    change: (...call) => current().change(...call),
    refresh: () => current().refresh(),
    repair: (...call) => current().repair(...call),
    setPin: (...call) => current().setPin(...call),
    health: () => current().health(),
    close: () => current().close(),
  };
  return {
    store,
    exchange: (afterCalls: number) => {
      left = afterCalls;
    },
  };
};

const setUp = async () => {
  const [first, second] = [createMemoryStore("first"), createMemoryStore("second")];
  for (const [token, set] of [
    [first, "hsm/one"],
    [second, "hsm/two"],
  ] as const) {
    token.put(PATH, { a: set });
    await createMemberStore(token).join({ set, epoch: 1 });
  }
  const slot = slotOf([first, second]);
  return { first, second, ...slot, member: createMemberStore(slot.store) };
};

for (let calls = 0; calls < 8; calls += 1) {
  t.test(`exchanged after ${calls} calls`, async (t) => {
    const { member, exchange } = await setUp();
    exchange(calls);
    const told = await member.membership();
    if (told.kind === "unavailable") t.equal(told.code, "TOKEN_UNAVAILABLE");
    else t.match(told.membership?.set, /^hsm\/(one|two)$/);
    const again = await setUp();
    again.exchange(calls);
    const held = await again.member.holding();
    if (held.kind === "unavailable") return t.equal(held.code, "TOKEN_UNAVAILABLE");
    const [secret] = held.holding.secrets;
    const token = held.holding.set === "hsm/one" ? again.first : again.second;
    t.match(await token.read(PATH), { checksum: secret?.checksum }, "its own secrets");
  });
}

t.test("nothing is written to a token that came after the one that was looked at", async (t) => {
  const [own, blank] = [createMemoryStore("own"), createMemoryStore("blank")];
  const { store, exchange } = slotOf([own, blank]);
  const member = createMemberStore(store);
  t.match(await member.membership(), { membership: undefined, isEmpty: true });
  exchange(0);
  t.match(await member.join({ set: "hsm/one", epoch: 1 }), { kind: "unavailable" });
  t.match(await blank.list(""), { secrets: [] });
  t.match(await member.membership(), { membership: undefined });
  t.match(await member.join({ set: "hsm/one", epoch: 1 }), { kind: "written" }, "it is looked at first");
  const change = { type: "put", data: someKeys(["a"]) } as const;
  const other = await setUp();
  other.exchange(0);
  await createMemberStore(other.second).join({ set: "hsm/two", epoch: 2 });
  t.match(await other.member.change(PATH, change, {}, 1), { kind: "unavailable" }, "of another epoch");
});

t.test("a token that can't be read is no token without a set", async (t) => {
  const { member, first } = await setUp();
  const fault = unavailable("TOKEN_UNAVAILABLE", "it is not plugged in");
  t.match(await member.membership(), { membership: { set: "hsm/one" } });
  first.fail(fault);
  t.same(await member.membership(), fault);
  t.same(await member.holding(), fault);
  t.same(await member.join({ set: "hsm/one", epoch: 2 }), fault);
  t.same(await member.change(PATH, { type: "delete" }, {}, 1), fault);
  first.fail();
  t.match(await member.membership(), { membership: { set: "hsm/one", epoch: 1 } });
});
