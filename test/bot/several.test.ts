// SPDX-License-Identifier: Apache-2.0
// Tests commands for several Toggles: one answer, each switched once, and all of them only after a reaction.
import t from "tap";
import { ALLOWED_USERS_ANNOTATION } from "../../server/bot/access.ts";
import { ALICE, BOB, makeWorld, OTHER_ROOM, ROOM, toggleNamed } from "./world.ts";

const now = { resumed: false };
const by = (sender: string, room = ROOM) => ({
  id: "$reaction",
  sender,
  room,
  authorship: "unproven" as const,
});
const makeThree = () =>
  makeWorld([
    toggleNamed("web"),
    toggleNamed("api"),
    toggleNamed("db", {}, { [ALLOWED_USERS_ANNOTATION]: BOB }),
  ]);
const enabled = (world: ReturnType<typeof makeThree>) =>
  ["web", "api", "db"].map((name) => world.toggles.get(name)?.spec.enabled);

t.test("several names: one answer with a line for each, edited until all have settled", async (t) => {
  const world = makeThree();
  const { runner } = world.live();
  runner.accept(world.message("stop web, api because of the sale"), now);
  await world.pass(0);
  t.same(enabled(world), [false, false, true]);
  t.same(world.effects, ["of the sale", "of the sale"]);
  t.same(
    world.said.map(({ text }) => text),
    ["web is switching off…\napi is switching off…"],
  );
  world.becomes("api", "Off");
  await world.pass(2000);
  world.becomes("web", "Off");
  await world.pass(2000);
  const counts = "0 desired, 0 ready, 0 available.";
  t.same(world.said[0]?.edits, [
    `web is switching off…\napi is off: ${counts}`,
    `web is off: ${counts}\napi is off: ${counts}`,
  ]);
  world.becomes("web", "Missing");
  await world.pass(10_000);
  t.equal(world.said[0]?.edits.length, 2, "nothing after the last word");
});

t.test("a name that is not there keeps the others from being switched", async (t) => {
  const world = makeThree();
  const { runner } = world.live();
  for (const text of ["stop web please", "stop web db", "start the music please now"]) {
    runner.accept(world.message(text), now);
    await world.pass(0);
  }
  t.same(world.effects, []);
  t.match(
    world.said.map(({ text }) => text),
    [
      /^There is no Toggle “please” here\..* Nothing was switched\.$/,
      /^There is no Toggle “db” here\..* Nothing was switched\.$/,
      /^That is not a command that I know/,
    ],
  );
});

t.test("status of several", async (t) => {
  const world = makeThree();
  const { runner } = world.live();
  runner.accept(world.message("status web api"), now);
  await world.pass(0);
  t.match(world.said[0]?.text, /^web is running: .*\napi is running: /);
});

t.test("stop all asks, and switches what its sender may when that one reacts in time", async (t) => {
  const world = makeThree();
  const { runner } = world.live();
  runner.accept(world.message("stop all"), now);
  await world.pass(0);
  const [question] = world.said;
  t.equal(question?.text, "stop all 2: api, web? React with 👍 to this within 60 s, and I do.");
  runner.confirm(question?.id ?? "", by(BOB));
  runner.confirm(question?.id ?? "", by(ALICE, OTHER_ROOM));
  runner.confirm("$something", by(ALICE));
  await world.pass(59_000);
  t.same(world.effects, []);
  runner.confirm(question?.id ?? "", by(ALICE));
  runner.confirm(question?.id ?? "", by(ALICE));
  await world.pass(0);
  t.same(enabled(world), [false, false, true]);
  t.equal(world.said[1]?.text, "api is switching off…\nweb is switching off…");
  await world.pass(100_000);
  t.same([world.said.length, world.effects.length], [2, 2]);
});

t.test("stop all that nobody confirms switches nothing, over a restart too", async (t) => {
  for (const restart of [false, true]) {
    const world = makeThree();
    const first = world.live();
    first.runner.accept(world.message("stop all"), now);
    await world.pass(0);
    let { runner } = first;
    if (restart) {
      await runner.close();
      ({ runner } = world.live());
      runner.start();
    }
    await world.pass(60_000);
    const [question] = world.said;
    runner.confirm(question?.id ?? "", by(ALICE));
    await world.pass(1000);
    t.same(question?.edits, ["stop all was not confirmed: nothing was switched."]);
    t.same([world.effects, world.said.length], [[], 1]);
  }
});

t.test("stop all is confirmed after a restart", async (t) => {
  const world = makeThree();
  const first = world.live();
  first.runner.accept(world.message("stop all"), now);
  await world.pass(0);
  await first.runner.close();
  const { runner } = world.live();
  runner.start();
  runner.confirm(world.said[0]?.id ?? "", by(ALICE));
  await world.pass(0);
  t.equal(world.effects.length, 2);
});

t.test("a reaction that comes too late over a restart confirms nothing", async (t) => {
  const world = makeThree();
  const first = world.live();
  first.runner.accept(world.message("stop all"), now);
  await world.pass(0);
  await first.runner.close();
  await world.pass(60_000);
  const { runner } = world.live();
  runner.start();
  runner.confirm(world.said[0]?.id ?? "", by(ALICE));
  await world.pass(1000);
  t.same(world.effects, []);
});

t.test("of one Toggle, all is that one; of none it says so", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stop all"), now);
  await world.pass(0);
  t.equal(world.said[0]?.text, "web is switching off…");
  world.remove("web");
  runner.accept(world.message("start all"), now);
  await world.pass(0);
  t.match(world.said[1]?.text, /^There is no Toggle that you may switch/);
});

t.test("killed at each point of a command for two, both are switched once, with one answer", async (t) => {
  for (let after = 0; after < 60; after += 1) {
    const world = makeThree();
    let budget = after;
    const message = world.message("stop web api");
    const first = world.live(() => {
      budget -= 1;
      return budget >= 0;
    });
    try {
      first.runner.start();
      first.runner.accept(message, now);
    } catch {
      // Killed.
    }
    await world.pass(0);
    const { runner } = world.live();
    runner.start();
    runner.accept(message, { resumed: true });
    for (const name of ["web", "api"]) {
      world.becomes(name, "Off");
      await world.pass(3000);
    }
    const answers = world.said.filter(({ transaction }) => transaction.endsWith("-answer"));
    t.same(
      [world.effects.length, answers.length, enabled(world)],
      [2, 1, [false, false, true]],
      `after ${after}`,
    );
    const last = answers[0]?.edits.at(-1) ?? answers[0]?.text;
    t.match(last, /^web is (?:off|switching off).*\napi is (?:off|switching off)/, `after ${after}`);
  }
});

t.test(
  "killed in a command for two, and away for long: what had not begun is not run any more",
  async (t) => {
    let told = 0;
    for (let after = 0; after < 60; after += 1) {
      const world = makeThree();
      let budget = after;
      const first = world.live(() => {
        budget -= 1;
        return budget >= 0;
      });
      try {
        first.runner.start();
        first.runner.accept(world.message("stop web api"), now);
      } catch {
        // Killed.
      }
      await world.pass(0);
      const back = world.now() + 200_000;
      await world.pass(200_000);
      const { runner } = world.live();
      runner.start();
      await world.pass(5_000);
      t.ok(
        world.effectTimes.every((at) => at < back),
        `after ${after}`,
      );
      if (world.said.some(({ text }) => /“stop api” was not run: I got to it too late/.test(text))) told += 1;
    }
    t.ok(told > 0, "and told");
  },
);
