// SPDX-License-Identifier: Apache-2.0
// Tests an allowed user who resets their cross-signing identity: who is told, how often, and whether the bot still obeys.
import t, { type Test } from "tap";
import type { BotProcess } from "../../../scripts/local/bot-process.ts";
import { eventually } from "../../../scripts/local/eventually.ts";
import { type Scene, setScene } from "./scene.ts";

const CHANGES = "keyswitch_bot_identity_changes_total";
const NOTICE = /^⚠️ The identity of @alice:keyswitch\.test has changed since I first saw it\./;
const PINNED = "an allowed user's identity was pinned";

const linesWith = (bot: BotProcess, text: string) => bot.lines.filter((line) => line.includes(text));

/** Alice has an identity, the bot has pinned it, and a first command was obeyed. */
const setUp = async (t: Test, scene: Scene, env: Readonly<Record<string, string>>) => {
  const { alice, account } = scene;
  const from = account.userId;
  await alice.crossSign();
  await scene.deploy("web", 1);
  const bot = await scene.bot(env);
  await bot.ready();
  await eventually("the identity is pinned", async () => linesWith(bot, PINNED).length === 1);
  const room = await alice.createRoom({ invite: [from] });
  await alice.seesMember(room, from);
  const asks = async (command: string, text: string | RegExp) => {
    await alice.sendText(room, command);
    const answer = await alice.nextMessage({
      room,
      from,
      where: ({ text: said = "" }) => !NOTICE.test(said),
    });
    await alice.textBecomes(answer.id, text);
  };
  const notices = (where = room) =>
    alice.inRoom(where).filter(({ sender, text = "" }) => sender === from && NOTICE.test(text));
  await asks("stop", /^web is off/);
  t.same(notices(), []);
  t.equal(await bot.metric(CHANGES), 0);
  return { bot, room, asks, notices };
};

/** Alice resets her identity, and the bot has learned of it. */
const resets = async (t: Test, { alice }: Scene, bot: BotProcess): Promise<string> => {
  const [before, changes] = [await alice.masterKey(), await bot.metric(CHANGES)];
  await alice.crossSign();
  const key = (await alice.masterKey()) ?? "";
  t.not(key, before);
  await eventually("the bot sees the change", async () => (await bot.metric(CHANGES)) > changes, {
    seen: () => bot.lines.slice(-3).join("\n"),
  });
  return key;
};

t.test("an allowed user's new identity", async (t) => {
  const warned = await setScene(t);
  if (warned === undefined) return;
  const { stack } = warned;

  await t.test("TRUST_POLICY=warn: the room and the log are told once, and the user is obeyed", async (t) => {
    const { bot, room, asks, notices } = await setUp(t, warned, { TRUST_POLICY: "warn" });
    const { alice, account } = warned;
    const key = await resets(t, warned, bot);
    await asks("start", /^web is running/);
    const told = await alice.nextMessage({ room, from: account.userId, text: NOTICE });
    t.match(told.text, /I go on obeying you\.$/);
    t.equal(told.kind, "m.notice");
    t.ok(told.encrypted);
    await asks("stop", /^web is off/);
    t.match(linesWith(bot, "TRUST_POLICY=warn: the user is obeyed all the same"), [key]);
    t.equal(await bot.end(), 0);

    const again = await warned.bot({ TRUST_POLICY: "warn" });
    await again.ready();
    await asks("status", /^web is off/);
    t.equal(await again.metric(CHANGES), 0, "nor is it told again by the next process");
    t.equal(notices().length, 1);

    await resets(t, warned, again);
    const other = await alice.createRoom({ invite: [account.userId] });
    await alice.seesMember(other, account.userId);
    await alice.sendText(other, "status");
    await alice.nextMessage({ room: other, from: account.userId, text: NOTICE });
    await asks("status", /^web is off/);
    t.equal(notices().length, 1, "the next change is told where the user speaks first");
    t.equal(await again.end(), 0);
  });

  const refusing = await setScene(t, { stack });
  if (refusing === undefined) return;
  await t.test("TRUST_POLICY=refuse: not obeyed, told why, until TRUSTED_IDENTITIES has it", async (t) => {
    await stack.kubectl(["delete", "-n", "demo", "toggle/web", "--cascade=orphan"]);
    await stack.kubectl(["delete", "-n", "demo", "deployment/web"]);
    const { bot, room, asks } = await setUp(t, refusing, { TRUST_POLICY: "refuse" });
    const { alice, account } = refusing;
    const key = await resets(t, refusing, bot);
    const { generation } = (await refusing.toggle("web")).metadata;
    await alice.sendText(room, "start");
    const told = await alice.nextMessage({ room, from: account.userId });
    t.match(told.text, NOTICE);
    t.match(told.text, /I don't obey you until whoever runs this bot has accepted the new one\.$/);
    await eventually(
      "it is counted",
      async () => (await bot.metric('keyswitch_bot_refused_total{reason="identity-changed"}')) === 1,
    );
    t.match(linesWith(bot, "not obeyed until TRUSTED_IDENTITIES has the new key"), [key]);
    const said = alice.inRoom(room).length;
    t.equal(await bot.end(), 0);
    t.equal((await refusing.toggle("web")).metadata.generation, generation, "nothing was switched");

    const trusting = await refusing.bot({
      TRUST_POLICY: "refuse",
      TRUSTED_IDENTITIES: `${alice.userId}=${key}`,
    });
    await trusting.ready();
    await asks("start", /^web is running/);
    const news = alice
      .inRoom(room)
      .slice(said)
      // Its last word mentions her, as a message that is no notice.
      .filter(({ sender, kind, edits }) => sender === account.userId && kind === "m.notice" && !edits);
    t.equal(news.length, 1, "what was refused is not run later");
    t.equal(await trusting.end(), 0);
  });
});
