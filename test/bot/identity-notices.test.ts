// SPDX-License-Identifier: Apache-2.0
// A user's new identity is told in a room: when, where, how often, and what happens while the chat is away.
import t from "tap";
import type { IdentityChange } from "../../server/bot/chat.ts";
import { createIdentityNotices } from "../../server/bot/identity-notices.ts";
import { ALICE, BOB, makeWorld, OTHER_ROOM, ROOM } from "./world.ts";

const change = (user: string, number = 1, isObeyed = true): IdentityChange => ({
  id: `${user} ${number}`,
  user,
  from: `key ${number}`,
  to: `key ${number + 1}`,
  isObeyed,
});

type Send = { room: string; text: string; transaction: string };

const start = () => {
  const world = makeWorld();
  const sends: Send[] = [];
  const acknowledged: IdentityChange[] = [];
  const chat = { isAway: false };
  const notices = createIdentityNotices({
    chat: {
      async send(room, text, transaction) {
        sends.push({ room, text, transaction });
        if (chat.isAway) throw new Error("away");
        return { room, id: `$${sends.length}` };
      },
    },
    clock: world.live().clock,
    acknowledge: (told) => acknowledged.push(told),
  });
  const hears = async (sender: string, room: string) => {
    notices.heard({ sender, room });
    await world.pass(0);
  };
  return { world, notices, sends, acknowledged, chat, hears };
};

t.test("a change is told where its user speaks next, once", async (t) => {
  const { notices, sends, acknowledged, hears } = start();
  notices.changed(change(ALICE));
  await hears(BOB, ROOM);
  t.same(sends, [], "nobody else's message tells it");
  await hears(ALICE, OTHER_ROOM);
  await hears(ALICE, OTHER_ROOM);
  await hears(ALICE, ROOM);
  t.equal(sends.length, 1);
  t.match(sends[0], { room: OTHER_ROOM, text: /^⚠️ The identity of @alice:example\.org has changed/ });
  t.same(acknowledged, [change(ALICE)]);
});

t.test("the user's next change is told again", async (t) => {
  const { notices, sends, hears } = start();
  for (const number of [1, 2]) {
    notices.changed(change(ALICE, number));
    await hears(ALICE, ROOM);
  }
  t.equal(sends.length, 2);
  t.not(sends[0]?.transaction, sends[1]?.transaction);
});

t.test("a change that nobody has heard of yet gives way to a newer one", async (t) => {
  const { notices, acknowledged, hears } = start();
  notices.changed(change(ALICE, 1));
  notices.changed(change(ALICE, 2));
  await hears(ALICE, ROOM);
  t.same(acknowledged, [change(ALICE, 2)]);
});

for (const { isObeyed, says } of [
  { isObeyed: true, says: /I go on obeying you\.$/ },
  {
    isObeyed: false,
    says: /I don't obey you until my operator accepts it \(TRUSTED_IDENTITIES; the log has the key\)\.$/,
  },
])
  t.test(`it says that the user is ${isObeyed ? "" : "not "}obeyed`, async (t) => {
    const { notices, sends, hears } = start();
    notices.changed(change(ALICE, 1, isObeyed));
    await hears(ALICE, ROOM);
    t.match(sends[0]?.text, says);
    t.notMatch(sends[0]?.text, /key \d/, "keys are for the log");
  });

t.test("while the chat is away it is sent again, in the same room and transaction", async (t) => {
  const { world, notices, sends, acknowledged, chat, hears } = start();
  chat.isAway = true;
  notices.changed(change(ALICE));
  await hears(ALICE, ROOM);
  await world.pass(25_000);
  t.equal(sends.length, 3, "every ten seconds");
  t.same(acknowledged, [], "it was not told");
  chat.isAway = false;
  await world.pass(60_000);
  t.equal(sends.length, 4);
  t.equal(new Set(sends.map(({ room, transaction }) => `${room} ${transaction}`)).size, 1);
  t.same(acknowledged, [change(ALICE)]);
});

t.test("a room that takes nothing for five minutes is given up; the change is told in another", async (t) => {
  const { world, notices, sends, acknowledged, chat, hears } = start();
  chat.isAway = true;
  notices.changed(change(ALICE));
  await hears(ALICE, ROOM);
  await world.pass(3_600_000);
  t.equal(sends.length, 31);
  chat.isAway = false;
  await hears(ALICE, OTHER_ROOM);
  t.equal(sends.at(-1)?.room, OTHER_ROOM);
  t.same(acknowledged, [change(ALICE)]);
});

t.test("after the end nothing is sent, and nothing acknowledged", async (t) => {
  const { world, notices, sends, acknowledged, chat } = start();
  notices.changed(change(BOB));
  notices.heard({ sender: BOB, room: ROOM });
  chat.isAway = true;
  notices.changed(change(ALICE));
  notices.heard({ sender: ALICE, room: ROOM });
  notices.close();
  await world.pass(60_000);
  t.equal(sends.length, 2);
  t.same(acknowledged, [], "the store may be closed");
});

t.test("a retry that waits at the end is not made", async (t) => {
  const { world, notices, sends, chat, hears } = start();
  chat.isAway = true;
  notices.changed(change(ALICE));
  await hears(ALICE, ROOM);
  notices.close();
  await world.pass(60_000);
  t.equal(sends.length, 1);
});
