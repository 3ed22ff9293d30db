// SPDX-License-Identifier: Apache-2.0
// Tests the bot in a room where people talk: what it acts on, and that all else leaves no trace.
import t from "tap";
import { ALLOWED_USERS_ANNOTATION } from "../../server/bot/access.ts";
import { ALICE, BOB, makeWorld, toggleNamed } from "./world.ts";

const now = { resumed: false };
const shared = { direct: false };

t.test("small talk draws no message, is not written down, and asks nobody", async (t) => {
  const world = makeWorld();
  const bot = world.live();
  await bot.runner.close();
  const asked: string[] = [];
  const { runner } = world.live(() => true, {
    echo: true,
    toggles: {
      ...bot.toggles,
      get: async (name) => {
        asked.push(name);
        return { ok: false, why: "unavailable" };
      },
    },
  });
  runner.start();
  const before = world.disk.size;
  const lines = ["hello", "stop", "help", "stop the music", "what?", "off we go", "start dinner", "!!!"];
  for (const text of lines) runner.accept(world.message(text, shared), now);
  for (const text of lines) {
    runner.accept(world.message(text, { ...shared, age: 300_000 }), { resumed: true });
  }
  await world.pass(10_000);
  t.same([world.said, [...world.reactions], asked, world.effects], [[], [], [], []]);
  t.equal(world.disk.size, before);
});

t.test("a mention among it switches and is answered; the echo is a reaction", async (t) => {
  const world = makeWorld();
  const { runner } = world.live(() => true, { echo: true });
  const message = world.message("bot stop because of the sale", { ...shared, mentioned: true });
  runner.accept(message, now);
  await world.pass(0);
  t.match(world.toggles.get("web")?.spec, { enabled: false, reason: "of the sale" });
  t.same(
    world.said.map(({ text }) => text),
    ["web is switching off…"],
  );
  t.same([...world.reactions], [[message.id, "🦞"]]);
});

t.test("a reply to one of its messages is heard, over a restart too", async (t) => {
  const world = makeWorld();
  const first = world.live();
  first.runner.accept(world.message("!status", shared), now);
  await world.pass(0);
  const [answer] = world.said;
  await first.runner.close();
  const { runner } = world.live();
  runner.accept(world.message("stop", { ...shared, replyTo: answer?.id ?? "" }), now);
  await world.pass(0);
  t.equal(world.effects.length, 1);
});

t.test("an answer stays in its thread, and the thread is heard from then on", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  const thread = { ...shared, thread: "$root" };
  runner.accept(world.message("status", thread), now);
  runner.accept(world.message("!status", thread), now);
  await world.pass(0);
  runner.accept(world.message("stop", thread), now);
  await world.pass(0);
  t.same(
    world.said.map((one) => one.thread),
    ["$root", "$root"],
  );
  t.equal(world.effects.length, 1);
});

t.test("what is addressed and not known gets one line with what may be meant", async (t) => {
  const world = makeWorld([toggleNamed("web"), toggleNamed("weh", {}, { [ALLOWED_USERS_ANNOTATION]: BOB })]);
  const { runner } = world.live();
  for (const [text, answer] of [
    ["!wbe", "That is not a command that I know: did you mean web? For all of them write help."],
    ["!stpo web", "That is not a command that I know: did you mean stop web? For all of them write help."],
    ["!what is this", "That is not a command that I know. For all of them write help."],
    ["!stop wbe", "There is no Toggle “wbe” here: did you mean web? You may switch here: web."],
  ] as const) {
    runner.accept(world.message(text, shared), now);
    await world.pass(0);
    t.equal(world.said.at(-1)?.text, answer);
  }
  t.same(world.effects, []);
});

t.test("in a direct room it gets the help with it", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stpo"), now);
  await world.pass(0);
  t.match(
    world.said[0]?.text,
    /^That is not a command that I know: did you mean stop\?\nstart \[NAME\] \[TIME\]/,
  );
});

t.test("a whole command counts for Toggles that its sender may switch", async (t) => {
  const world = makeWorld([toggleNamed("web", {}, { [ALLOWED_USERS_ANNOTATION]: ALICE })]);
  const { runner } = world.live();
  runner.accept(world.message("stop web", { ...shared, sender: BOB }), now);
  await world.pass(0);
  t.same([world.said, world.effects], [[], []]);
  runner.accept(world.message("stop web", shared), now);
  await world.pass(0);
  t.equal(world.effects.length, 1);
});
