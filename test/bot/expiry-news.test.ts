// SPDX-License-Identifier: Apache-2.0
// Tests the news that a Toggle's time is about to be over, and that it is: when, once each, also over restarts, and how a reaction
// extends the time.
import t from "tap";
import { ALLOWED_USERS_ANNOTATION } from "../../server/bot/access.ts";
import { NOTIFY_ANNOTATION } from "../../server/bot/switch-rooms.ts";
import { ALICE, BOB, Killed, makeWorld, OTHER_ROOM, ROOM, START, toggleNamed, type World } from "./world.ts";

const now = { resumed: false };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A bot that was told to start web for a time, with web on since. */
const started = async (text: string, annotations?: Record<string, string>) => {
  const world = makeWorld([toggleNamed("web", {}, annotations)]);
  const sends: string[] = [];
  const bot = world.live(() => true, { onSend: ({ part }) => sends.push(part) });
  bot.runner.start();
  bot.runner.accept(world.message(text, { thread: "$root" }), now);
  await world.pass(0);
  world.becomes("web", "Running");
  await world.pass(1000);
  return { world, bot, sends };
};
const until = ({ toggles }: World) => toggles.get("web")?.spec.until;
const warnings = ({ told }: World) => told.filter(({ text }) => /React with/.test(text));
const reactionOf = (sender: string, room: string) =>
  ({ id: "$reaction", sender, room, authorship: "plain" }) as const;
/** What the hook does when the time is over. */
const goesOff = async (world: World) => {
  world.becomes("web", "Off");
  await world.pass(0);
};

for (const [text, at, says, length] of [
  ["start 2h", 110 * MINUTE, "in 10 min, at 2026-11-22 10:00 UTC", "2 h"],
  ["start 30m", 27 * MINUTE, "in 3 min, at 2026-11-22 08:30 UTC", "30 min"],
  ["stop in 90m", 81 * MINUTE, "in 9 min, at 2026-11-22 09:30 UTC", "1 h 30 min"],
  ["start 1d12h", 36 * HOUR - 10 * MINUTE, "in 10 min, at 2026-11-23 20:00 UTC", "1 d 12 h"],
] as const) {
  t.test(`${text}: told before its end and at it, to who set it, in the thread`, async (t) => {
    const { world, sends } = await started(text);
    await world.pass(at - 2000);
    t.same(world.told, []);
    await world.pass(1000);
    const to = { room: ROOM, mentions: [ALICE], thread: "$root" };
    const offer = `React with 👍 to this to keep it on for another ${length}.`;
    t.match(world.told, [{ ...to, text: `web goes off ${says}. ${offer}` }]);
    world.becomes("web", "Running");
    await world.pass(Date.parse(until(world) ?? "") - world.now());
    t.equal(world.told.length, 1, "not before it is off");
    await goesOff(world);
    await world.pass(HOUR);
    t.match(world.told.slice(1), [{ ...to, text: /^web is off: .* Its time was over at 2026-11-2/ }]);
    t.equal(world.told.length, 2, "once");
    t.equal(sends.filter((part) => part === "news").length, 2, "and tried once");
  });
}

t.test("what does not go off within two minutes of its end is told as it is", async (t) => {
  const { world } = await started("start 1h");
  await world.pass(HOUR + 3 * MINUTE);
  t.match(world.told.slice(1), [{ text: /^web is switching off… Its time was over/ }]);
});

for (const [what, change] of [
  ["stopped", (world: World) => world.edit("web", { enabled: false })],
  ["given another time", (world: World) => world.edit("web", { until: "2026-11-23T08:00:00Z" })],
  ["deleted", (world: World) => world.remove("web")],
] as const) {
  t.test(`a Toggle that was ${what} meanwhile is not told of`, async (t) => {
    const { world } = await started("start 1h");
    change(world);
    await world.pass(3 * HOUR);
    t.same(world.told, []);
  });
}

t.test("a user who may not use it any more is not told", async (t) => {
  const { world } = await started("start 1h");
  const web = world.toggles.get("web");
  if (web === undefined) throw new Error("there is no web");
  const annotations = { [ALLOWED_USERS_ANNOTATION]: BOB };
  world.toggles.set("web", { ...web, metadata: { ...web.metadata, annotations } });
  await world.pass(2 * HOUR);
  t.same(world.told, []);
});

t.test("a time that kubectl set is told where the annotation asks for it, and offers an hour", async (t) => {
  for (const [annotations, count] of [
    [{}, 0],
    [{ [NOTIFY_ANNOTATION]: "true" }, 1],
  ] as const) {
    const { world, bot } = await started("start", annotations);
    world.edit("web", { until: "2026-11-22T12:00:00Z" });
    world.becomes("web", "Running");
    await world.pass(4 * HOUR - 5 * MINUTE);
    t.equal(warnings(world).length, count);
    if (count === 0) continue;
    t.match(warnings(world), [{ text: /another 1 h\.$/, room: ROOM, mentions: [ALICE] }]);
    bot.runner.confirm(world.told.at(-1)?.id ?? "", reactionOf(BOB, ROOM));
    await world.pass(0);
    t.equal(until(world), "2026-11-22T13:00:00Z");
  }
});

t.test(
  "a reaction of somebody who may use it extends the time, once, and changes nothing else",
  async (t) => {
    const { world, bot } = await started("start 2h because of the sale");
    await world.pass(HOUR + 55 * MINUTE);
    const warning = warnings(world)[0]?.id ?? "";
    const before = world.toggles.get("web")?.spec;
    bot.runner.confirm(warning, reactionOf("@eve:example.org", ROOM));
    bot.runner.confirm(warning, reactionOf(BOB, OTHER_ROOM));
    bot.runner.confirm("$something", reactionOf(BOB, ROOM));
    await world.pass(0);
    t.same(world.toggles.get("web")?.spec, before);
    bot.runner.confirm(warning, reactionOf(BOB, ROOM));
    bot.runner.confirm(warning, reactionOf(ALICE, ROOM));
    await world.pass(0);
    t.same(world.toggles.get("web")?.spec, { ...before, until: "2026-11-22T12:00:00Z" });
    world.becomes("web", "Running");
    await world.pass(5000);
    t.match(world.said.slice(1), [
      { thread: "$root", text: "web stays on. It goes off in 2 h, at 2026-11-22 12:00 UTC." },
    ]);
    t.match(world.commands.at(-1), { verb: "extend", outcome: "switched" });
    await world.pass(HOUR + 55 * MINUTE);
    t.match(warnings(world).slice(1), [{ mentions: [BOB], text: /another 2 h\.$/ }], "of the new end, too");
  },
);

t.test(
  "where an extension came to nothing, another reaction tries again, and the same one does not",
  async (t) => {
    const { world, bot } = await started("start 2h");
    await world.pass(HOUR + 52 * MINUTE);
    const warning = warnings(world)[0]?.id ?? "";
    world.mood.api = "unavailable";
    bot.runner.confirm(warning, reactionOf(ALICE, ROOM));
    await world.pass(10_000);
    t.match(world.said.at(-1)?.text, /^I can't reach the cluster right now/);
    const again = { ...reactionOf(ALICE, ROOM), id: "$again" };
    bot.runner.confirm(warning, again);
    await world.pass(10_000);
    world.mood.api = "up";
    bot.runner.confirm(warning, again);
    bot.runner.confirm(warning, reactionOf(ALICE, ROOM));
    await world.pass(10_000);
    t.equal(until(world), "2026-11-22T10:00:00Z", "it is not tried by itself");
    bot.runner.confirm(warning, { ...reactionOf(ALICE, ROOM), id: "$third" });
    await world.pass(0);
    t.equal(until(world), "2026-11-22T12:00:00Z");
  },
);

t.test("a reaction that comes too late, or after another change, extends nothing", async (t) => {
  for (const change of [
    (world: World) => world.pass(10 * MINUTE),
    async (world: World) => void world.edit("web", { enabled: false }),
    async (world: World) => void world.edit("web", { until: "2026-11-22T20:00:00Z" }),
  ]) {
    const { world, bot } = await started("start 2h");
    await world.pass(HOUR + 55 * MINUTE);
    await change(world);
    const { spec } = world.toggles.get("web") ?? {};
    bot.runner.confirm(warnings(world)[0]?.id ?? "", reactionOf(ALICE, ROOM));
    await world.pass(5000);
    t.same(world.toggles.get("web")?.spec, spec);
  }
});

t.test("over restarts: told once each; an end during an outage is told for ten minutes", async (t) => {
  for (const [away, count] of [
    [5 * MINUTE, 1],
    [HOUR, 0],
  ] as const) {
    const { world, bot } = await started("start 2h");
    await world.pass(HOUR + 55 * MINUTE);
    await bot.runner.close();
    const second = world.live();
    second.runner.start();
    await world.pass(MINUTE);
    t.equal(warnings(world).length, 1);
    await second.runner.close();
    await world.pass(4 * MINUTE + away - 1000);
    world.becomes("web", "Off");
    const third = world.live();
    third.runner.start();
    await world.pass(MINUTE);
    await third.runner.close();
    const fourth = world.live();
    fourth.runner.start();
    await world.pass(HOUR);
    t.equal(world.told.length, 1 + count, `away for ${away} ms`);
    t.same(
      [...world.disk.keys()].filter((key) => key.startsWith("switches")),
      ["switches\nweb"],
    );
  }
});

t.test(
  "a homeserver that is away gets the warning when it is back, with the time that is left",
  async (t) => {
    const { world } = await started("start 2h");
    world.mood.chat = "away";
    await world.pass(HOUR + 54 * MINUTE);
    world.mood.chat = "up";
    await world.pass(MINUTE);
    t.equal(warnings(world).length, 1);
  },
);

t.test("killed at each point, both are told once, and an extension is made once", async (t) => {
  for (let after = 0; after < 24; after += 1) {
    const { world, bot } = await started("start 2h");
    await bot.runner.close();
    let budget = Number.POSITIVE_INFINITY;
    let runner = world.live(() => {
      budget -= 1;
      return budget >= 0;
    }).runner;
    runner.start();
    await world.pass(START + 110 * MINUTE - 1000 - world.now());
    budget = after;
    await world.pass(5000);
    const reacts = () => {
      try {
        runner.confirm(warnings(world)[0]?.id ?? "", reactionOf(ALICE, ROOM));
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
    };
    reacts();
    await world.pass(5000);
    ({ runner } = world.live());
    runner.start();
    await world.pass(5000);
    reacts();
    await world.pass(5000);
    world.becomes("web", "Running");
    t.equal(until(world), "2026-11-22T12:00:00Z", `after ${after}`);
    t.equal(world.effects.length, 2, `after ${after}`);
    await world.pass(Date.parse("2026-11-22T12:00:00Z") - world.now());
    await goesOff(world);
    t.equal(warnings(world).length, 2, `after ${after}`);
    t.equal(world.told.length, 3, `after ${after}`);
  }
});
