// SPDX-License-Identifier: Apache-2.0
// Tests which events of plain rooms on a real homeserver reach the commands.
import t from "tap";
import { KEY_WAIT_MS } from "../../server/matrix/late-keys.ts";
import { startBotConnection } from "./bot-connection.ts";
import { plainUser } from "./plain-user.ts";
import { synapseFor } from "./synapse.ts";

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const account = await synapse.registerUser("bot");
  const alice = await plainUser(synapse, await synapse.registerUser("alice"));
  const allowed = [alice.userId];
  /** The bot's: a key that does not come is too late when a test says so. */
  let clock = 0;
  const start = (folder: string) =>
    startBotConnection(t, { homeserver: synapse, account, folder, allowed, now: () => clock });
  const folder = t.testdir();
  const bot = await start(folder);
  const room = await alice.room([account.userId]);
  await bot.until("invitation accepted");
  let markers = 0;
  /** What the bot was told because of what `act` sends; a message behind it says that all of it has come. */
  const toldBy = async (act: () => Promise<unknown>): Promise<string[]> => {
    const from = bot.told.length;
    await act();
    markers += 1;
    await alice.say(room, `marker ${markers}`);
    await bot.until(`message marker ${markers}`, from);
    return bot.told.flatMap(({ what }, at) => (at < from || /^sync|marker/.test(what) ? [] : [what]));
  };

  t.test("a message reaches the bot with its id, and its answer is a notice", async (t) => {
    const id = await alice.say(room, "hello");
    t.match(await bot.until("message hello"), { id, room, sender: alice.userId, authorship: "plain" });
    const answer = await bot.chat.send(room, "hi\nthere", "txn-1");
    const events = await alice.events(room);
    const sent = events.find(({ event_id }) => event_id === answer.id);
    t.match(sent, { sender: account.userId, content: { msgtype: "m.notice", body: "hi\nthere" } });
  });

  const { id: answered } = await bot.chat.send(room, "an answer", "txn-0");
  const annotation = (key: string) => ({
    "m.relates_to": { rel_type: "m.annotation", event_id: answered, key },
  });
  const text = (body: string, more: object = {}) => ({ msgtype: "m.text", body, ...more });
  const reply = { "m.relates_to": { "m.in_reply_to": { event_id: answered } } };
  const rows: [string, object, string[], type?: string][] = [
    ["text is read", text("stop"), ["message stop"]],
    ["text of several lines is read as it is", text("a\n> b"), ["message a\n> b"]],
    ["a notice is not read", { msgtype: "m.notice", body: "stop" }, []],
    ["an emote is not read", { msgtype: "m.emote", body: "stop" }, []],
    ["a file named like a command is not read", { msgtype: "m.file", body: "stop", url: "mxc://a/b" }, []],
    [
      "an edit is not read",
      text("* stop", {
        "m.new_content": text("stop"),
        "m.relates_to": { rel_type: "m.replace", event_id: answered },
      }),
      [],
    ],
    ["an edit without its relation is not read", text("* stop", { "m.new_content": text("stop") }), []],
    [
      "an edit without new content is not read",
      text("stop", { "m.relates_to": { rel_type: "m.replace", event_id: answered } }),
      [],
    ],
    [
      "of a reply the quotation is left out",
      text("> <@bot:x> Web is on\n> really\n\nstop", reply),
      ["message stop"],
    ],
    ["a reply without a quotation is read", text("stop", reply), ["message stop"]],
    ["what looks like a quotation is read when it is no reply", text("> a\n\nstop"), ["message > a\n\nstop"]],
    [
      "an event that can't be decrypted, in a plain room, waits for its key",
      { algorithm: "x" },
      [],
      "m.room.encrypted",
    ],
    ["🔄 refreshes", annotation("🔄"), ["refresh"], "m.reaction"],
    ["🔁 refreshes", annotation("🔁"), ["refresh"], "m.reaction"],
    ["🔄 with a variation selector refreshes", annotation("🔄\ufe0f"), ["refresh"], "m.reaction"],
    ["👍 confirms", annotation("👍"), ["confirm"], "m.reaction"],
    ["👍 of any colour confirms", annotation("👍🏽"), ["confirm"], "m.reaction"],
    ["👎 does nothing", annotation("👎"), [], "m.reaction"],
    ["a reaction that is a command does nothing", annotation("stop"), [], "m.reaction"],
  ];
  for (const [name, content, told, type] of rows) {
    t.test(name, async (t) => {
      t.same(await toldBy(() => alice.send(room, content, type)), told);
    });
  }

  t.test("a redaction is told with the event that it takes back", async (t) => {
    const id = await alice.say(room, "a slip");
    await bot.until("message a slip");
    const path = `rooms/${encodeURIComponent(room)}/redact/${encodeURIComponent(id)}/txn`;
    t.same(await toldBy(() => alice.call("PUT", path, {})), ["redacted"]);
    t.match(await bot.until("redacted"), { id, room });
  });

  t.test("an event whose key has not come in time is told once", async (t) => {
    clock += KEY_WAIT_MS;
    const { room: where, sender } = await bot.until("undecryptable");
    t.match([where, sender], [room, alice.userId]);
    t.same(await toldBy(async () => {}), []);
  });

  t.test("what the bot itself says is not read", async (t) => {
    const answer = await bot.chat.send(room, "stop", "txn-2");
    t.same(await toldBy(() => bot.chat.edit(answer, "start", "txn-3")), []);
    t.same(await toldBy(() => bot.sdk.sendText(room, "stop")), [], "not even as a user would say it");
  });

  t.test("the same transaction shows once, and gives the same answer", async (t) => {
    const first = await bot.chat.send(room, "once", "txn-4");
    t.same(await bot.chat.send(room, "once", "txn-4"), first);
    const shown = (await alice.events(room)).filter(({ content }) => content.body === "once");
    t.equal(shown.length, 1);
  });

  t.test("an edit replaces the answer's text", async (t) => {
    const answer = await bot.chat.send(room, "before", "txn-5");
    await bot.chat.edit(answer, "after", "txn-6");
    const last = (await alice.events(room)).at(-1);
    t.same(last?.content, {
      msgtype: "m.notice",
      body: "* after",
      "m.new_content": { msgtype: "m.notice", body: "after", "m.mentions": {} },
      "m.mentions": {},
      "m.relates_to": { rel_type: "m.replace", event_id: answer.id },
    });
  });

  t.test("answers of a room keep their order", async (t) => {
    const texts = Array.from({ length: 10 }, (_, index) => `ordered ${index}`);
    await Promise.all(texts.map((text, index) => bot.chat.send(room, text, `txn-order-${index}`)));
    const shown = (await alice.events(room)).flatMap(({ content: { body } }) =>
      typeof body === "string" && body.startsWith("ordered") ? [body] : [],
    );
    t.same(shown, texts);
  });

  t.test("a room that the bot is not in takes no answer, and says so", async (t) => {
    const other = await alice.room([]);
    const failure = await bot.chat.send(other, "hello", "txn-7").catch((error: unknown) => error);
    t.match(failure, { code: "M_FORBIDDEN" });
  });

  t.test("what was said before the bot was invited is not read", async (t) => {
    const from = bot.told.length;
    const other = await alice.room([]);
    await alice.say(other, "old");
    await alice.call("POST", `rooms/${encodeURIComponent(other)}/invite`, { user_id: account.userId });
    await alice.say(other, "new");
    await bot.until("message new", from);
    t.notOk(bot.told.some(({ what }) => what.includes("old")));
  });

  t.test("after a restart the missed messages come, and no other", async (t) => {
    await bot.stop();
    await alice.say(room, "missed 1");
    await alice.say(room, "missed 2");
    const again = await start(folder);
    await again.until("message missed 2");
    t.same(
      again.told.filter(({ what }) => what.startsWith("message")).map(({ what }) => what),
      ["message missed 1", "message missed 2"],
    );
    t.equal(again.deviceId, bot.deviceId);
    await again.stop();
    const third = await start(folder);
    await alice.say(room, "live");
    await third.until("message live");
    t.equal(third.told.filter(({ what }) => what.startsWith("message")).length, 1);
    await third.stop();
  });

  t.test("with a new store the history is told apart from what was missed", async (t) => {
    const fresh = await start(t.testdir());
    await fresh.until("message live (not resumed)");
    await alice.say(room, "and now");
    await fresh.until("message and now");
    await fresh.stop();
  });
});
