// SPDX-License-Identifier: Apache-2.0
// Tests messages whose room keys come late or never, on a real homeserver and over a restart of the bot.
import t from "tap";
import { startUser, type User } from "../../scripts/homeserver/client/user.ts";
import { openBotStore } from "../../server/bot/store.ts";
import { createLateKeys, KEY_WAIT_MS } from "../../server/matrix/late-keys.ts";
import { startBotConnection } from "./bot-connection.ts";
import { holdKeys } from "./held-keys.ts";
import { synapseFor } from "./synapse.ts";

t.test("no more than a hundred events are waited for, each as long as the first", async (t) => {
  const folder = t.testdir();
  const store = openBotStore(folder);
  let now = 0;
  const keys = createLateKeys(store, () => now);
  const event = (id: number) => ({
    type: "m.room.encrypted",
    event_id: `$${id}`,
    sender: "@alice:example.org",
    origin_server_ts: 1,
    content: {},
  });
  t.equal(keys.nextIn(), undefined);
  for (let id = 0; id < 100; id += 1) t.ok(keys.add({ room: "!a", event: event(id), resumed: true }));
  t.notOk(keys.add({ room: "!a", event: event(100), resumed: true }));
  t.ok(
    keys.add({ room: "!a", event: event(5), resumed: true }),
    "one that is there already is no further one",
  );
  now = KEY_WAIT_MS - 1;
  t.equal(keys.nextIn(), 1);
  t.same(keys.expired(), []);
  keys.remove("$0");
  keys.save();
  now = KEY_WAIT_MS;
  t.equal(keys.expired().length, 99);
  t.same(keys.waiting(), []);
  store.close();

  await t.test("and they are there after a kill", async (t) => {
    const again = openBotStore(folder);
    const kept = createLateKeys(again, () => 0);
    t.equal(kept.waiting().length, 99);
    t.equal(kept.nextIn(), KEY_WAIT_MS);
    for (const { event } of kept.waiting()) kept.remove(event.event_id);
    kept.save();
    t.same([...again.entries("sync")], []);
    again.close();
  });
});

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const account = await synapse.registerUser("bot");
  const { baseUrl } = synapse;
  const open = async (name: string): Promise<User> => {
    const user = await startUser({ baseUrl, ...(await synapse.registerUser(name)) });
    t.teardown(() => user.stop());
    return user;
  };
  const alice = await open("alice");
  const mallory = await open("mallory");
  const folder = t.testdir();
  /** The bot's: no key is too late before a test says so, however slow the machine is. */
  let clock = 0;
  const start = () =>
    startBotConnection(t, {
      homeserver: synapse,
      account,
      folder,
      allowed: [alice.userId],
      now: () => clock,
    });
  let bot = await start();
  const roomWith = async (...others: string[]): Promise<string> => {
    const room = await alice.createRoom({ invite: [bot.userId, ...others] });
    await alice.seesMember(room, bot.userId);
    return room;
  };
  /** The next sync is done: what was sent before has been looked at. */
  const looked = async (room: string): Promise<void> => {
    const from = bot.told.length;
    await alice.sendUnencrypted(room, {
      type: "m.room.message",
      content: { msgtype: "m.text", body: "look" },
    });
    await bot.until("plain text", from);
  };

  t.test("a message whose key comes after it is read then, once", async (t) => {
    const room = await roomWith();
    const keys = holdKeys(alice);
    const id = await alice.sendText(room, "late");
    await looked(room);
    t.notOk(bot.told.some(({ what }) => what === "message late"));
    await keys.release();
    t.match(await bot.until("message late"), { id, room });
    await looked(room);
    t.equal(bot.told.filter((one) => one.id === id).length, 1);
  });

  t.test("a message whose key never comes is told after a while, once", async (t) => {
    const room = await roomWith();
    holdKeys(alice);
    const id = await alice.sendText(room, "never");
    await looked(room);
    clock += KEY_WAIT_MS - 1;
    await looked(room);
    t.notOk(bot.told.some(({ what }) => what === "undecryptable"));
    clock += 1;
    t.match(await bot.until("undecryptable"), { id, room, sender: alice.userId });
    await alice.edit(room, id, "an edit is not a message");
    await looked(room);
    t.equal(bot.told.filter((one) => one.id === id).length, 1);
    t.same(
      [...bot.store.entries("sync")].map(([key]) => key),
      ["token"],
      "nothing waits any more",
    );
  });

  t.test("nobody waits for the key of a user who may not talk", async (t) => {
    const room = await roomWith(mallory.userId);
    await mallory.invitation(room);
    await mallory.join(room);
    await mallory.seesMember(room, bot.userId);
    holdKeys(mallory);
    const from = bot.told.length;
    const id = await mallory.sendText(room, "never");
    t.match(await bot.until("undecryptable", from), { id, sender: mallory.userId });
    t.same(
      [...bot.store.entries("sync")].map(([key]) => key),
      ["token"],
    );
  });

  t.test("a message that waits for its key is read after a restart", async (t) => {
    const room = await roomWith();
    const keys = holdKeys(alice);
    const id = await alice.sendText(room, "over a restart");
    await looked(room);
    await bot.stop();
    await keys.release();
    bot = await start();
    t.match(await bot.until("message over a restart"), { id, room });
  });
});
