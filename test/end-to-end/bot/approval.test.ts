// SPDX-License-Identifier: Apache-2.0
// Tests approval with three clients in an encrypted room of a homeserver with its default limits: what counts, also over a kill.
import t from "tap";
import type { User } from "../../../scripts/homeserver/client/user.ts";
import { APPROVALS_ANNOTATION } from "../../../server/bot/approval.ts";
import { setScene } from "./scene.ts";

/** https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html#rc_message */
const DEFAULT_LIMIT = { rc_message: { per_second: 0.2, burst_count: 10 } };

t.test("a stop waits for two others", async (t) => {
  const scene = await setScene(t, { config: DEFAULT_LIMIT });
  if (scene === undefined) return;
  const { alice, account } = scene;
  const [bob, carol] = [await scene.user("bob"), await scene.user("carol")];
  // Bob's device is signed later.
  for (const user of [alice, carol]) await user.crossSign();
  await scene.deploy("web", 2, { [APPROVALS_ANNOTATION]: "2" });
  const env = { ALLOWED_USERS: [alice, bob, carol].map(({ userId }) => userId).join(",") };
  const bot = await scene.bot(env);
  await bot.ready();
  const room = await alice.createRoom({ invite: [account.userId, bob.userId, carol.userId] });
  for (const user of [bob, carol]) await user.join(await user.invitation(room));
  for (const { userId } of [account, bob, carol]) await alice.seesMember(room, userId);
  const hears = (user: User, text: RegExp) => user.nextMessage({ room, from: account.userId, text });
  const replicas = () => scene.replicas("web");

  await alice.sendText(room, "stop web because of the sale");
  const question = await hears(bob, /^@alice:\S+ asks for: stop web because of the sale\n/);
  t.ok(question.encrypted);
  const line = /approve [a-z0-9]{5}$/m.exec(question.text ?? "")?.[0] ?? "";

  await t.test("nothing counts that the homeserver could have made up", async (t) => {
    const reaction = await bob.react(room, question.id, "👍");
    t.match(
      bob.inRoom(room).find(({ id }) => id === reaction) ?? { encrypted: false },
      { encrypted: false },
      "clients send it in the clear",
    );
    t.match((await hears(bob, /a reaction is not encrypted/)).text, line);
    await bob.sendText(room, line);
    await hears(bob, /^Your approval doesn't count: I can't be certain that you wrote it/);
    const content = { msgtype: "m.text", body: line };
    await carol.sendUnencrypted(room, { type: "m.room.message", content });
    await hears(carol, /^This room is encrypted, and your message was not/);
    t.equal(await replicas(), 2);
  });

  await t.test("from a signed device it does, over a kill of the bot", async (t) => {
    await bob.crossSign();
    await bob.sendText(room, line);
    await alice.textBecomes(question.id, new RegExp(`\n1 of 2: ${bob.userId}$`));
    await bot.end("SIGKILL");
    const again = await scene.bot(env);
    await again.ready();
    await bob.sendText(room, line);
    const reply = { "m.relates_to": { "m.in_reply_to": { event_id: question.id } } };
    await carol.send(room, { type: "m.room.message", content: { msgtype: "m.text", body: line, ...reply } });
    const answer = await hears(alice, /^web is /);
    await alice.textBecomes(question.id, new RegExp(`approved by ${bob.userId}, ${carol.userId}\\.$`));
    await alice.textBecomes(answer.id, /^web is off/);
    t.equal(await replicas(), 0);
    t.match((await scene.toggle("web")).spec, {
      enabled: false,
      requestedBy: alice.userId,
      reason: `of the sale; approved by ${bob.userId}, ${carol.userId}`,
    });
    t.notOk(
      [...bot.lines, ...again.lines].some((said) => said.includes(line)),
      "no code is in the log",
    );
  });
});
