// SPDX-License-Identifier: Apache-2.0
// Tests a conversation on a real homeserver, in an encrypted and in a plain room: what the users' clients show, and the state
// of the cluster.
import { NotificationCountType } from "matrix-js-sdk";
import t from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { setScene } from "./scene.ts";

t.test("a chat switches a Deployment", async (t) => {
  const scene = await setScene(t);
  if (scene === undefined) return;
  const { alice, account, synapse } = scene;
  const mallory = await scene.user("mallory");
  await scene.deploy("web", 3);
  // Invitations that are there before the bot is.
  const pending = await alice.createRoom({ invite: [account.userId] });
  const unwanted = await mallory.createRoom({ invite: [account.userId] });
  // Its rooms have more than two members, and every line of them is tried.
  const bot = await scene.bot({ ADDRESSING: "always" });
  await bot.ready();

  /** Sends `text`, and waits until the answer to it has become `last`. */
  const asks = async (room: string, text: string, last: string | RegExp) => {
    await alice.sendText(room, text);
    const answer = await alice.nextMessage({ room, from: account.userId });
    await alice.textBecomes(answer.id, last);
    return answer;
  };
  const patches = async () => (await scene.toggle("web")).metadata.generation;

  await t.test(
    "it follows an invitation of an allowed user that was pending, and declines a stranger's",
    async (t) => {
      await alice.seesMember(pending, account.userId);
      await mallory.seesMember(unwanted, account.userId, "leave");
      t.equal(await bot.metric('keyswitch_bot_invitations_total{outcome="accepted"}'), 1);
      t.equal(await bot.metric('keyswitch_bot_invitations_total{outcome="refused"}'), 1);
    },
  );

  const room = await alice.createRoom({ invite: [account.userId, mallory.userId] });
  await mallory.join(room);
  await t.test("it follows a live invitation in the same way", async () => {
    await alice.seesMember(room, account.userId);
    const another = await mallory.createRoom({ invite: [account.userId] });
    await mallory.seesMember(another, account.userId, "leave");
  });

  await t.test("status, stop, start, start 2h", async (t) => {
    const status = await asks(room, "status", "web is running: 3 desired, 3 ready, 3 available.");
    t.equal(status.kind, "m.notice");
    t.ok(status.encrypted, "the answer is encrypted");

    await asks(room, "stop because of the sale", "web is off: 0 desired, 0 ready, 0 available.");
    t.equal(await scene.replicas("web"), 0);
    const { spec } = await scene.toggle("web");
    t.match(spec, { enabled: false, requestedBy: alice.userId, reason: "of the sale" });

    await asks(room, "  ON ", "web is running: 3 desired, 3 ready, 3 available.");
    t.equal(await scene.replicas("web"), 3, "it comes back to the count that it had");

    const before = Date.now();
    await asks(
      room,
      "start 2h",
      /^web is running: .* It goes off in 2 h, at \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$/,
    );
    const { until } = (await scene.toggle("web")).spec;
    t.ok(Math.abs(Date.parse(until ?? "") - before - 7_200_000) < 60_000, `until is ${until}`);
    await asks(room, "Status web", new RegExp(`Switched by ${alice.userId}`));
  });

  await t.test("help, list and a word that it does not know switch nothing", async (t) => {
    const before = await patches();
    t.match((await asks(room, "help", /start \[NAME\] \[TIME\]/)).text, "You may switch here: web.");
    t.match((await asks(room, "fly", /write help/)).text, /^That is not a command that I know\./);
    await asks(room, "start the music please now", /^That is not a command that I know\./);
    await asks(room, "stop other", "There is no Toggle “other” here. You may switch here: web.");
    await asks(room, "list", /web/);
    t.equal(await patches(), before);
  });

  await t.test("somebody who is not allowed gets no answer, and switches nothing", async (t) => {
    const before = await patches();
    const refused = 'keyswitch_bot_refused_total{reason="not-allowed"}';
    const count = await bot.metric(refused);
    await mallory.sendText(room, "stop");
    await eventually("it is refused", async () => (await bot.metric(refused)) === count + 1);
    // The answer to a later message would come after one to hers.
    await asks(room, "status", /web is running/);
    t.equal(await patches(), before);
    const said = mallory.inRoom(room).filter(({ sender }) => sender === account.userId);
    t.notOk(said.some(({ text }) => text?.includes(mallory.userId)));
  });

  await t.test("edits, notices, its own words and what was forged switch nothing", async (t) => {
    const before = await patches();
    const first = await alice.sendText(room, "status");
    await alice.nextMessage({ room, from: account.userId });
    await alice.edit(room, first, "stop");
    await alice.sendNotice(room, "stop");
    await alice.sendUnencrypted(room, {
      type: "m.room.message",
      content: { msgtype: "m.text", body: "stop" },
    });
    const told = await alice.nextMessage({ room, from: account.userId });
    t.match(told.text, /^This room is encrypted, and your message was not/);
    await asks(room, "status", /web is running/);
    t.equal(await patches(), before);
  });

  await t.test("a reaction brings an answer up to date", async (t) => {
    const answer = await asks(room, "status", /3 ready/);
    await scene.stack.kubectl(["scale", "-n", "demo", "toggle/web", "--replicas=2"]);
    await eventually("it has 2", async () => (await scene.toggle("web")).status?.readyReplicas === 2);
    await alice.react(room, answer.id, "🔄");
    await alice.textBecomes(answer.id, /^web is running: 2 desired, 2 ready/);
    t.pass();
  });

  await t.test("a plain room works as well", async (t) => {
    const plain = await alice.createRoom({ encrypted: false, invite: [account.userId] });
    await alice.seesMember(plain, account.userId);
    const answer = await asks(plain, "stop", "web is off: 0 desired, 0 ready, 0 available.");
    t.notOk(answer.encrypted);
    const last = await alice.nextMessage({ room: plain, from: account.userId, mention: true });
    t.equal(last.text, `${alice.userId}: web is off: 0 desired, 0 ready, 0 available.`);
    // The homeserver's own push rules say so: a notice would be kept from her.
    const highlights = () =>
      alice.client.getRoom(plain)?.getUnreadNotificationCount(NotificationCountType.Highlight);
    await alice.until("her highlight", () => (highlights() ?? 0) > 0);
  });

  await t.test("annotations narrow who may switch a Toggle, and where", async (t) => {
    await scene.deploy("theirs", 1, { "toggle.j5t.io/allowed-users": mallory.userId });
    await scene.deploy("elsewhere", 1, { "toggle.j5t.io/allowed-rooms": pending });
    await asks(room, "stop theirs", "There is no Toggle “theirs” here. You may switch here: web.");
    await asks(room, "stop elsewhere", "There is no Toggle “elsewhere” here. You may switch here: web.");
    await asks(pending, "stop elsewhere", /^elsewhere is off/);
    await asks(pending, "stop", /^Which one\?|elsewhere, web/);
    t.equal(await scene.replicas("theirs"), 1);
  });

  await t.test("the bot's device is signed, and shows the fingerprint that the log has", async (t) => {
    const [device, ...others] = await alice.devicesOf(account.userId);
    t.equal(others.length, 0);
    t.ok(device?.signedByOwner);
    const said = bot.lines.find((line) => line.includes('"fingerprint"')) ?? "";
    t.match(said, JSON.stringify(device?.fingerprint?.replace(/.{4}(?=.)/g, "$& ")));
  });

  await t.test("SIGTERM ends it, and a restart answers nothing again", async (t) => {
    t.equal(await bot.end(), 0);
    const before = alice.inRoom(room).length;
    const again = await scene.bot({ ADDRESSING: "always" });
    await again.ready();
    await asks(room, "status", /web is off/);
    const news = alice.inRoom(room).slice(before);
    t.equal(news.filter(({ sender }) => sender === account.userId).length, 1);
    t.same(
      news.filter(({ failure }) => failure !== undefined),
      [],
    );
    t.equal((await synapse.devicesOf(account.userId)).length, 1);
    t.equal(await again.end(), 0);
  });

  await t.test("no secret and no message is in the log", async (t) => {
    const log = bot.lines.join("\n");
    for (const secret of [account.password, "of the sale", "start the music"]) t.notOk(log.includes(secret));
  });
});
