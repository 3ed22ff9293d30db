// SPDX-License-Identifier: Apache-2.0
// Tests the bot on a homeserver with Synapse's default limit of messages: quick commands in a direct room, and small talk in a
// room of five.
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import type { User } from "../../../scripts/homeserver/client/user.ts";
import { type Scene, setScene } from "./scene.ts";

/** https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html#rc_message */
const DEFAULT_LIMIT = { rc_message: { per_second: 0.2, burst_count: 10 } };
const EVERY_MS = 6_000;
/** Until well after the first ten messages are used up. */
const COMMANDS = 12;
/** What a client may take to show a message; the machine may be busy. */
const SLACK_MS = 2_000;

/** As docs/chat.md has it for the bot; here for the others, who are to be free. */
const exempt = async ({ synapse }: Scene, { userId }: User): Promise<void> => {
  const path = `v1/users/${encodeURIComponent(userId)}/override_ratelimit`;
  const { status } = await synapse.admin("POST", path, { messages_per_second: 0, burst_count: 0 });
  if (status !== 200) throw new Error(`Synapse answered with ${status}`);
};

/** Whether a text says that web is on, or off. */
const saysOn = (text: string): boolean => {
  if (/web is (?:switching on|starting|running)/.test(text)) return true;
  if (/web is (?:switching off|stopping|off)/.test(text)) return false;
  throw new Error(`what is this? ${text}`);
};

/** What the bot said of web in a room, edits and last words included, and when the homeserver had it. */
const notices = (user: User, room: string, bot: string): { at: number; text: string }[] =>
  user.inRoom(room).flatMap(({ id, sender, kind, text = "" }) => {
    const at = user.client.getRoom(room)?.findEventById(id)?.getTs();
    if (at === undefined) throw new Error(`the client has lost ${id}`);
    return sender === bot && (kind === "m.notice" || kind === "m.text") && !text.startsWith("🦞")
      ? [{ at, text }]
      : [];
  });

const LINES = [
  ...[
    "hello",
    "stop",
    "on",
    "off we go",
    "Status?",
    "help me with this",
    "start the music",
    "lunch at 12:30!",
  ],
  ...[
    "I think we should stop web and api tonight",
    "!!!",
    "? ",
    "yes",
    "stop it!",
    "ok.",
    "bot or not",
    "help",
  ],
  ...["restart your laptop", "we start at 8", "list", "> stop\n\nno", "who has seen the keyswitch?", "2h"],
];

t.test("under the default limit", async (t) => {
  const scene = await setScene(t, { config: DEFAULT_LIMIT });
  if (scene === undefined) return;
  const { alice, account } = scene;
  await exempt(scene, alice);
  const friends = [await scene.user("bob"), await scene.user("carol"), await scene.user("dave")];
  for (const friend of friends) await exempt(scene, friend);
  await scene.deploy("web", 3);
  const allowed = [alice, ...friends].map(({ userId }) => userId).join(",");
  const bot = await scene.bot({ ALLOWED_USERS: allowed, ECHO_MODE: "true" });
  await bot.ready();
  const said = (room: string) => alice.inRoom(room).filter(({ sender }) => sender === account.userId);

  await t.test(
    "200 lines of small talk draw nothing; a mention among them switches and is answered",
    async (t) => {
      const room = await alice.createRoom({
        invite: [account.userId, ...friends.map(({ userId }) => userId)],
      });
      for (const friend of friends) await friend.join(await friend.invitation(room));
      for (const { userId } of friends) await alice.seesMember(room, userId);
      await alice.seesMember(room, account.userId);
      const talkers = [alice, ...friends];
      const talk = async (from: number, to: number) => {
        for (let line = from; line < to; line += 1) {
          await talkers[line % talkers.length]?.sendText(room, LINES[line % LINES.length] ?? "");
        }
      };
      const spoken = () =>
        said(room).filter(({ type }) => /^m\.(?:room\.message|reaction|room\.encrypted)$/.test(type));
      await talk(0, 100);
      const content = {
        msgtype: "m.text",
        body: "keyswitch: stop web because of lunch",
        "m.mentions": { user_ids: [account.userId] },
      };
      t.equal(spoken().length, 0);
      const mention = await alice.send(room, { type: "m.room.message", content });
      const answer = await alice.nextMessage({ room, from: account.userId });
      await alice.textBecomes(answer.id, /^web is off/);
      t.match((await scene.toggle("web")).spec, { enabled: false, reason: "of lunch" });
      const before = spoken().length;
      await talk(100, 200);
      // Its answer to this comes behind all that it could have said before.
      await alice.sendText(room, "status web");
      await alice.nextMessage({ room, from: account.userId });
      const [reaction] = spoken().filter(({ type }) => type === "m.reaction");
      t.match(reaction?.content, { "m.relates_to": { event_id: mention, key: "🦞" } });
      const later = spoken()
        .slice(before)
        .filter(({ type }) => type === "m.room.message");
      t.match(later, [{ text: /^web is off/ }]);
      t.equal(later.length, 1);
      t.equal(await bot.metric('keyswitch_bot_commands_total{verb="unknown",outcome="unknown"}'), 0);
    },
  );

  await t.test(
    "stop and start each 6 s: no answer waits for those before it, and nothing is stale",
    async (t) => {
      const room = await alice.createRoom({ invite: [account.userId] });
      await alice.seesMember(room, account.userId);
      await alice.sendText(room, "status web");
      await alice.nextMessage({ room, from: account.userId, text: /^web is off/ });
      /** When web was switched, to what, and when that was answered: until then what was so before may be told. */
      const switched: { at: number; on: boolean; answered: number }[] = [{ at: 0, on: false, answered: 0 }];
      const answers: string[] = [];
      const took: number[] = [];
      const begun = Date.now();
      for (let command = 0; command < COMMANDS; command += 1) {
        const on = command % 2 === 0;
        const at = Date.now();
        await alice.sendText(room, on ? "start web" : "stop web");
        const notEcho = { where: ({ text = "" }: { text: string | undefined }) => !text.startsWith("🦞") };
        const answer = await alice.nextMessage({ room, from: account.userId, ...notEcho });
        took.push(Date.now() - at);
        switched.push({ at, on, answered: Date.now() });
        answers.push(answer.id);
        await delay(Math.max(0, begun + (command + 1) * EVERY_MS - Date.now()));
      }
      t.comment(`answers after ${took.join(", ")} ms`);
      // Behind the edits of the answers before they would come ever later, by minutes in the end.
      for (const ms of took) t.ok(ms < 2 * EVERY_MS, `${ms} ms`);
      for (const id of answers) await alice.textBecomes(id, /web is (?:off|running):/, 120);
      const replacedBy = (next: (typeof switched)[number] | undefined): number =>
        next === undefined ? Number.POSITIVE_INFINITY : Math.max(next.answered, next.at + SLACK_MS);
      for (const { at, text } of notices(alice, room, account.userId)) {
        const then = switched.filter((one) => one.at <= at);
        const isNow = then.at(-1)?.on === saysOn(text);
        const wasJustSo = then.some(
          (one, index) => one.on === saysOn(text) && at < replacedBy(then[index + 1]),
        );
        t.ok(isNow || wasJustSo, text);
      }
      t.equal(
        await alice.textBecomes(answers.at(-1) ?? "", /web is/),
        "web is off: 0 desired, 0 ready, 0 available.",
      );
      for (const id of answers) t.ok(alice.textsOf(id).length <= 3, alice.textsOf(id).join(" | "));
      t.ok(bot.lines.every((line) => !line.includes("gave-up")));
    },
  );
});
