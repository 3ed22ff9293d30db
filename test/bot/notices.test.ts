// SPDX-License-Identifier: Apache-2.0
// Tests the notices to rooms. Missed commands: a room that rejects messages delays no other. Unreadable or refused messages: at
// once, and of many one notice a minute. A user's new identity: when, where, how often, and while the chat is unreachable.
import t from "tap";
import type { IdentityChange, Text } from "../../server/bot/chat.ts";
import { createIdentityNotices, createMissedCommandNotices, missedText } from "../../server/bot/notices.ts";
import { createSending } from "../../server/bot/outbox.ts";
import { ALICE, BOB, makeWorld, OTHER_ROOM, ROOM } from "./world.ts";

t.test("messages that were not read are no number of commands", async (t) => {
  const missed = { sender: ALICE, step: { state: "missed" as const } };
  const unread = { ...missed, verb: "unread" };
  const stop = { ...missed, verb: "stop" };
  t.match(missedText([unread, unread]), /^I can't read all that was written here while I was away\./);
  t.notMatch(missedText([unread]), /not run/);
  t.match(missedText([unread, stop]), /^1 command was not run: .*I can't read all/);
  t.notMatch(missedText([stop]), /can't read/);
});

t.test("a room that the bot was removed from holds up no other", async (t) => {
  const timers = new Set<() => void>();
  const clock = {
    now: () => 0,
    after: (_ms: number, action: () => void) => {
      timers.add(action);
      return () => timers.delete(action);
    },
  };
  /** What was due runs, and all that follows from it at once. */
  const turn = async () => {
    const due = [...timers];
    timers.clear();
    for (const action of due) action();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const unsent = new Set(["!gone"]);
  const tried: string[] = [];
  const missed = createMissedCommandNotices({
    chat: {
      async send(room) {
        tried.push(room);
        if (room === "!gone") throw new Error("M_FORBIDDEN");
        return { room, id: "$1" };
      },
    },
    clock,
    sending: createSending(clock, () => {}),
    journal: {
      notices: () => [...unsent].map((room) => ({ room, text: "missed", transaction: room })),
      noticeSent: (room) => void unsent.delete(room),
    },
    track: (work) => void work,
  });
  missed.gather();
  await turn();
  t.same(tried, ["!gone"]);
  unsent.add("!here");
  missed.gather();
  await turn();
  t.same(tried.toSorted(), ["!gone", "!gone", "!here"], "and the notice under way is not sent twice over");
  t.same([...unsent], ["!gone"]);
  missed.close();
});

t.test(
  "undecryptable and plain messages are told at once, and further ones at the end of a minute",
  async (t) => {
    const world = makeWorld();
    const { runner } = world.live();
    for (const about of ["undecryptable", "undecryptable", "plain-text"] as const) {
      await runner.tell(about, world.message(""));
    }
    await runner.tell("undecryptable", world.message("", { sender: BOB }));
    await runner.tell("undecryptable", world.message("", { room: OTHER_ROOM, age: 300_000 }));
    t.match(
      world.said.map(({ text }) => text.slice(0, 17)),
      ["I couldn't decryp", "This room is encr", "I couldn't decryp"],
    );
    await world.pass(60_000);
    t.equal(world.said[3]?.text, "I couldn't decrypt another message of yours. Please send it again.");
    for (const about of ["undecryptable", "undecryptable", "plain-text"] as const) {
      await runner.tell(about, world.message(""));
    }
    t.match(world.said[4]?.text, /^This room is encrypted/, "its minute is over");
    await runner.tell("plain-text", world.message(""));
    await world.pass(60_000);
    t.same(
      world.said.slice(5).map(({ text }) => text),
      [
        "I couldn't decrypt 2 more messages of yours. Please send them again.",
        "I didn't act on another message of yours, for the same reason.",
      ],
    );
    await runner.tell("undecryptable", world.message(""));
    await runner.close();
    await world.pass(60_000);
    t.equal(world.said.length, 7);
  },
);

const change = (user: string, number = 1, isObeyed = true): IdentityChange => ({
  id: `${user} ${number}`,
  user,
  from: `key ${number}`,
  to: `key ${number + 1}`,
  isObeyed,
});

type Send = { room: string; text: Text; transaction: string };

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
    says: /I don't obey you until whoever runs this bot has accepted the new one\.$/,
  },
]) {
  t.test(`it says that the user is ${isObeyed ? "" : "not "}obeyed`, async (t) => {
    const { notices, sends, hears } = start();
    notices.changed(change(ALICE, 1, isObeyed));
    await hears(ALICE, ROOM);
    t.match(sends[0]?.text, says);
    t.notMatch(sends[0]?.text, /key \d/, "keys are for the log");
  });
}

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
