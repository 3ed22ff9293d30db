// SPDX-License-Identifier: Apache-2.0
// Tests the last word on a switch: one message that mentions who asked, where the switch was asked for, and only where it is news.
import t from "tap";
import { transactionOf } from "../../server/bot/outbox.ts";
import { ALICE, BOB, Killed, makeWorld, OTHER_ROOM, ROOM, toggleNamed } from "./world.ts";

const now = { resumed: false };
const OFF = "web is off: 0 desired, 0 ready, 0 available.";

t.test(
  "off: one message to who asked, in the thread of the command, and the answer says the same",
  async (t) => {
    const world = makeWorld();
    const { runner } = world.live();
    const message = world.message("!stop", { direct: false, thread: "$root" });
    runner.accept(message, now);
    await world.pass(0);
    world.becomes("web", "Stopping", { replicas: 1 });
    await world.pass(5_000);
    t.same(world.told, [], "a step before is none");
    world.becomes("web", "Off");
    await world.pass(60_000);
    t.match(world.told, [
      {
        room: ROOM,
        text: OFF,
        mentions: [ALICE],
        thread: "$root",
        transaction: transactionOf(message.id, "last"),
      },
    ]);
    t.equal(world.told.length, 1);
    t.equal(world.said[0]?.edits.at(-1), OFF);
    world.becomes("web", "Missing");
    await world.pass(60_000);
    t.equal(world.told.length, 1, "nothing after it");
  },
);

for (const [how, phase, status, text] of [
  ["running", "Running", {}, /^web is running: 3 desired/],
  [
    "failed",
    "Degraded",
    {
      conditions: [
        {
          ...{ type: "Stalled", status: "True", reason: "x", message: "x" },
          lastTransitionTime: "2026-11-22T08:00:00Z",
        },
      ],
    },
    /^web is degraded: /,
  ],
  ["without a Deployment", "Missing", {}, /^web is without a Deployment\./],
] as const) {
  t.test(`${how} is told`, async (t) => {
    const world = makeWorld([toggleNamed("web", { enabled: false })]);
    const { runner } = world.live();
    world.becomes("web", "Off");
    runner.accept(world.message("start"), now);
    await world.pass(0);
    world.becomes("web", phase, status);
    await world.pass(1000);
    t.match(world.told, [{ text, mentions: [ALICE] }]);
  });
}

t.test("a switch that times out, and a Toggle that is deleted, are told", async (t) => {
  const world = makeWorld([toggleNamed("web"), toggleNamed("api")]);
  const { runner } = world.live();
  runner.accept(world.message("stop web"), now);
  runner.accept(world.message("stop api"), now);
  await world.pass(0);
  world.remove("api");
  await world.pass(725_000);
  t.match(world.told, [
    { text: "api was deleted." },
    { text: /^web is not switched off after 12 minutes: nothing in the cluster has taken it up\./ },
  ]);
});

t.test("several Toggles have one last word, without those that were switched again", async (t) => {
  const world = makeWorld([toggleNamed("web"), toggleNamed("api"), toggleNamed("db")]);
  const { runner } = world.live();
  runner.accept(world.message("stop web api db"), now);
  await world.pass(0);
  world.becomes("web", "Off");
  world.edit("api", { enabled: true });
  await world.pass(5000);
  t.same(world.told, []);
  world.becomes("db", "Off");
  await world.pass(5000);
  t.match(world.told, [{ text: `${OFF}\n${OFF.replace("web", "db")}` }]);
});

t.test("a switch that a newer one overtook has no last word: who asked last is told", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stop"), now);
  await world.pass(0);
  runner.accept(world.message("start", { sender: BOB, room: OTHER_ROOM }), now);
  await world.pass(0);
  world.becomes("web", "Running");
  await world.pass(5000);
  t.match(world.told, [{ room: OTHER_ROOM, mentions: [BOB], text: /^web is running/ }]);
  t.equal(world.told.length, 1);
});

for (const [what, text, spec] of [
  ["on already", "start", {}],
  ["on already, and to go off later", "stop in 2h", {}],
  ["off already", "stop", { enabled: false }],
] as const) {
  t.test(`${what}: the answer is the last word`, async (t) => {
    const world = makeWorld([toggleNamed("web", spec)]);
    const { runner } = world.live();
    if ("enabled" in spec) world.becomes("web", "Off");
    runner.accept(world.message(text), now);
    await world.pass(0);
    world.becomes("web", "enabled" in spec ? "Off" : "Running");
    await world.pass(60_000);
    t.same([world.said.length, world.told], [1, []]);
  });
}

t.test("an answer that had to wait and says the last word itself is the only message", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  world.mood.chat = "away";
  runner.accept(world.message("stop"), now);
  await world.pass(100);
  world.becomes("web", "Off");
  world.mood.chat = "up";
  await world.pass(60_000);
  t.equal(world.said[0]?.edits.at(-1) ?? world.said[0]?.text, OFF);
  t.equal(world.told.length, world.said[0]?.edits.length === 0 ? 0 : 1);
});

t.test("a homeserver that is away gets it afterwards, and it says how it is then", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stop"), now);
  await world.pass(0);
  world.mood.chat = "away";
  world.becomes("web", "Off");
  await world.pass(600_000);
  world.mood.chat = "up";
  await world.pass(60_000);
  t.match(world.told, [{ text: OFF }]);
  t.equal(world.told.length, 1);
});

t.test(
  "a last word that was none any more when it could be sent is said when it is true again",
  async (t) => {
    const world = makeWorld([toggleNamed("web", { enabled: false })]);
    const { chat } = world.live();
    const limit = Promise.withResolvers<void>();
    const tell: typeof chat.tell = async (...news) => {
      await limit.promise;
      return chat.tell(...news);
    };
    const { runner } = world.live(undefined, { chat: { ...chat, tell } });
    world.becomes("web", "Off");
    runner.accept(world.message("start"), now);
    await world.pass(0);
    world.becomes("web", "Running");
    await world.pass(2000);
    world.becomes("web", "Starting");
    limit.resolve();
    await world.pass(5000);
    t.same(world.told, [], "it starts again");
    t.match(world.said[0]?.edits.at(-1), /^web is starting/);
    world.becomes("web", "Running");
    await world.pass(5000);
    t.match(world.told, [{ text: /^web is running/, mentions: [ALICE] }]);
    t.match(world.said[0]?.edits.at(-1), /^web is running/);
  },
);

t.test("what has become the last word while an edit waited for its turn is said, too", async (t) => {
  const world = makeWorld();
  const { chat } = world.live();
  const limit = Promise.withResolvers<void>();
  const edit: typeof chat.edit = async (...change) => {
    await limit.promise;
    return chat.edit(...change);
  };
  const { runner } = world.live(undefined, { chat: { ...chat, edit } });
  runner.accept(world.message("stop"), now);
  await world.pass(0);
  world.becomes("web", "Stopping", { replicas: 1 });
  await world.pass(2000);
  world.becomes("web", "Off");
  await world.pass(2000);
  limit.resolve();
  await world.pass(5000);
  t.same(world.said[0]?.edits, [OFF]);
  t.match(world.told, [{ text: OFF, mentions: [ALICE] }]);
});

t.test("what came to its end hours ago, while the bot was away, is no news", async (t) => {
  for (const [away, count] of [
    [1_800_000, 1],
    [7_200_000, 0],
  ] as const) {
    const world = makeWorld();
    const first = world.live();
    first.runner.accept(world.message("stop"), now);
    await world.pass(0);
    await first.runner.close();
    world.becomes("web", "Off");
    await world.pass(away);
    const { runner } = world.live();
    runner.start();
    await world.pass(10_000);
    t.equal(world.told.length, count, `away for ${away} ms`);
    t.equal(world.said[0]?.edits.at(-1), OFF);
  }
});

t.test("killed at each point, the last word is said once, and is true", async (t) => {
  let told = 0;
  for (let after = 0; after < 60; after += 1) {
    const world = makeWorld();
    const message = world.message("stop");
    let budget = after;
    const first = world.live(() => {
      budget -= 1;
      return budget >= 0;
    });
    try {
      first.runner.start();
      first.runner.accept(message, now);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    await world.pass(0);
    if (world.effects.length > 0) world.becomes("web", "Off");
    await world.pass(3000);
    const { runner } = world.live();
    runner.start();
    runner.accept(message, { resumed: true });
    await world.pass(0);
    world.becomes("web", "Off");
    await world.pass(5000);
    // Where it was off before the answer could be sent, that said so.
    const isAnswered = world.said[0]?.text === OFF;
    if (!isAnswered) told += 1;
    t.match(world.told, isAnswered ? [] : [{ text: OFF, mentions: [ALICE] }], `after ${after}`);
    t.equal(world.told.length, isAnswered ? 0 : 1, `after ${after}`);
  }
  t.ok(told > 10, `${told} last words`);
});
