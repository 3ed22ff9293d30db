// SPDX-License-Identifier: Apache-2.0
// Tests encrypted rooms on a real homeserver, with matrix-js-sdk as the users' client.
import t from "tap";
import { startUser, type User } from "../../scripts/homeserver/client/user.ts";
import { startBotConnection } from "./bot-connection.ts";
import { plainUser } from "./plain-user.ts";
import { synapseFor } from "./synapse.ts";

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const account = await synapse.registerUser("bot");
  const [aliceAccount, malloryAccount] = [
    await synapse.registerUser("alice"),
    await synapse.registerUser("mallory"),
  ];
  const { baseUrl } = synapse;
  const open = async (one: { userId: string; password: string }): Promise<User> => {
    const user = await startUser({ baseUrl, ...one });
    t.teardown(() => user.stop());
    return user;
  };
  const alice = await open(aliceAccount);
  const mallory = await open(malloryAccount);
  const folder = t.testdir();
  const start = () =>
    startBotConnection(t, { homeserver: synapse, account, folder, allowed: [alice.userId] });
  const roomWith = async (bot: { userId: string }): Promise<string> => {
    const room = await alice.createRoom({ invite: [bot.userId] });
    await alice.seesMember(room, bot.userId);
    return room;
  };
  let bot = await start();

  t.test("the first command of a new room is decrypted, and so is its answer", async (t) => {
    const room = await roomWith(bot);
    const id = await alice.sendText(room, "status");
    t.match(await bot.until("message status"), { id, room, sender: alice.userId });
    const answer = await bot.chat.send(room, "Web is on", "e-1");
    const seen = await alice.nextMessage({ room, from: bot.userId });
    t.match(seen, { id: answer.id, text: "Web is on", kind: "m.notice", encrypted: true });
    await bot.chat.edit(answer, "Web is off", "e-2");
    t.equal(await alice.textBecomes(answer.id, "Web is off"), "Web is off");

    await t.test("the same transaction shows once", async (t) => {
      t.same(await bot.chat.send(room, "Web is on", "e-1"), answer);
      await bot.chat.send(room, "after", "e-3");
      await alice.nextMessage({ room, text: "after" });
      t.equal(alice.inRoom(room).filter(({ text }) => text === "Web is on").length, 1);
    });
  });

  t.test("edits, notices and plain text in an encrypted room are not read", async (t) => {
    const room = await roomWith(bot);
    const from = bot.told.length;
    const id = await alice.sendText(room, "start");
    await bot.until("message start", from);
    await alice.edit(room, id, "stop");
    await alice.sendNotice(room, "stop");
    const forged = await alice.sendUnencrypted(room, {
      type: "m.room.message",
      content: { msgtype: "m.text", body: "stop" },
    });
    t.match(await bot.until("plain text", from), { id: forged, room, sender: alice.userId });
    await alice.sendText(room, "marker");
    await bot.until("message marker", from);
    const said = bot.told.slice(from).flatMap(({ what }) => (what.startsWith("message") ? [what] : []));
    t.same(said, ["message start", "message marker"]);
  });

  t.test("a reaction comes unencrypted, and refreshes", async (t) => {
    const room = await roomWith(bot);
    const answer = await bot.chat.send(room, "Web is on", "e-4");
    await alice.react(room, answer.id, "🔄");
    t.match(await bot.until("refresh"), { id: answer.id, room, sender: alice.userId });
    await alice.react(room, answer.id, "👍");
    t.match(await bot.until("confirm"), { id: answer.id, authorship: "unproven" });
  });

  t.test("a room that becomes encrypted is one from then on", async (t) => {
    const room = await alice.createRoom({ encrypted: false, invite: [bot.userId] });
    await alice.seesMember(room, bot.userId);
    const from = bot.told.length;
    await alice.sendText(room, "plain");
    await bot.until("message plain", from);
    await bot.chat.send(room, "plain too", "e-5");
    await alice.client.sendStateEvent(
      room,
      "m.room.encryption" as never,
      { algorithm: "m.megolm.v1.aes-sha2" } as never,
    );
    await alice.sendUnencrypted(room, {
      type: "m.room.message",
      content: { msgtype: "m.text", body: "stop" },
    });
    await bot.until("plain text", from);
    await bot.chat.send(room, "secret", "e-6");
    t.match(await alice.nextMessage({ room, text: "secret" }), { encrypted: true });
  });

  t.test("a device that its user adds can read the next answer", async (t) => {
    const room = await roomWith(bot);
    await bot.chat.send(room, "before", "e-7");
    const phone = await open(aliceAccount);
    await phone.sendText(room, "from the phone");
    await bot.until("message from the phone");
    await bot.chat.send(room, "for both", "e-8");
    t.match(await phone.nextMessage({ room, text: "for both" }), { encrypted: true });
    t.match(await alice.nextMessage({ room, text: "for both" }), { encrypted: true });
  });

  t.test("a member who comes later can read the next answer, one who left can't", async (t) => {
    const room = await roomWith(bot);
    await bot.chat.send(room, "first", "e-9");
    await alice.invite(room, mallory.userId);
    await mallory.invitation(room);
    await mallory.join(room);
    await alice.seesMember(room, mallory.userId);
    await mallory.sendText(room, "hello");
    await bot.until("message hello");
    await bot.chat.send(room, "for all", "e-10");
    t.match(await mallory.nextMessage({ room, text: "for all" }), { encrypted: true });
    await mallory.leave(room);
    await alice.seesMember(room, mallory.userId, "leave");
    await alice.sendText(room, "alone");
    await bot.until("message alone");
    const plain = await plainUser(synapse, aliceAccount);
    const sent = await bot.chat.send(room, "for alice", "e-11");
    await alice.nextMessage({ room, text: "for alice" });
    const events = await plain.events(room);
    const sessions = events.flatMap(({ content, sender, event_id }) =>
      sender === bot.userId && typeof content.session_id === "string" ? [[content.session_id, event_id]] : [],
    );
    const [before, after] = sessions.slice(-2);
    t.equal(after?.[1], sent.id);
    t.not(after?.[0], before?.[0], "with new keys");
  });

  t.test("after a restart it is the same device, which decrypts what it missed", async (t) => {
    const room = await roomWith(bot);
    await alice.sendText(room, "one");
    await bot.until("message one");
    await bot.stop();
    await alice.sendText(room, "two");
    const again = await start();
    t.match(await again.until("message two"), { room });
    t.equal(again.deviceId, bot.deviceId);
    await again.chat.send(room, "three", "e-12");
    t.match(await alice.nextMessage({ room, text: "three" }), { encrypted: true });
    bot = again;
  });

  t.test("it is certain who wrote a message from when the device is signed", async (t) => {
    const room = await roomWith(bot);
    await alice.sendText(room, "who am I");
    t.match(await bot.until("message who am I"), { authorship: "unproven" });
    await alice.crossSign();
    await alice.sendText(room, "that is me");
    t.match(await bot.until("message that is me"), { authorship: "proven" });
  });

  t.test("nobody's text was logged", async (t) => {
    t.notOk(bot.logged.some((line) => /Web is|for all|secret|from the phone/.test(line)));
  });
});
