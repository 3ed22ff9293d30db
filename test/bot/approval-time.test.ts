// SPDX-License-Identifier: Apache-2.0
// Tests how long a command waits for approval, and that it goes on over a restart and a kill.
import t from "tap";
import type { Message } from "../../server/bot/chat.ts";
import { CAROL, codeOf, REASON, type Scene, setUp, shown } from "./approval-scene.ts";
import { ALICE, BOB, Killed } from "./world.ts";

t.test("nothing is switched where it is not approved in time, over a restart too", async (t) => {
  for (const restart of [false, true]) {
    const scene = setUp();
    const { world, say } = scene;
    await say("stop web");
    const code = codeOf(scene);
    await say(`approve ${code}`, BOB);
    await world.pass(300_000);
    if (restart) await scene.restart();
    await world.pass(299_000);
    t.match(shown(scene), /1 of 2/);
    await world.pass(1000);
    t.equal(shown(scene), "stop web was not approved in time (1 of 2): nothing was switched.");
    t.equal(
      await say(`approve ${code}`, CAROL, { mentioned: true }),
      "Nothing waits here for that approval any more.",
    );
    t.same(world.effects, []);
  }
});

t.test("a restart goes on with the approvals so far, and counts none twice", async (t) => {
  const scene = setUp();
  const { world, say } = scene;
  await say("stop web");
  const line = `approve ${codeOf(scene)}`;
  await scene.restart();
  await say(line, BOB);
  await scene.restart();
  await say(line, BOB);
  t.same(world.effects, []);
  await say(line, CAROL);
  t.same(world.effects, [`${REASON}; approved by ${BOB}, ${CAROL}`]);
  t.equal(scene.questions().length, 1);
});

t.test("a command that is redacted while it waits is taken back", async (t) => {
  const scene = setUp();
  const { world, say, redact } = scene;
  await say("stop web");
  const line = `approve ${codeOf(scene)}`;
  await redact("$message1");
  t.equal(shown(scene), "stop web was taken back: nothing was switched.");
  await say(line, BOB);
  await say(line, CAROL);
  await world.pass(700_000);
  t.same(world.effects, []);
  t.equal(scene.questions()[0]?.edits.length, 1);
});

t.test("a time of day that passes while it waits ends the waiting", async (t) => {
  const scene = setUp({ web: "1" });
  await scene.say("stop web at 08:03");
  t.match(scene.questions()[0]?.text, "within 3 minutes");
  await scene.world.pass(180_000);
  t.match(shown(scene), /was not approved in time \(0 of 1\)/);
  await scene.say(`approve ${codeOf(scene)}`, BOB);
  t.same(scene.world.effects, []);
});

t.test("a command that could not be asked about is told when the homeserver is back", async (t) => {
  const scene = setUp({ web: "1" });
  scene.world.mood.chat = "away";
  await scene.say("stop web");
  await scene.world.pass(120_000);
  scene.world.mood.chat = "up";
  await scene.world.pass(60_000);
  t.match(
    scene.answers().map(({ text }) => text),
    [/^1 command was not run: “stop web” of @alice:example\.org\. .* Send it again if you still want it\.$/],
  );
  t.same([scene.questions(), scene.world.effects], [[], []]);
});

t.test("an approval that comes too late over a restart does not count", async (t) => {
  const scene = setUp({ web: "1" });
  await scene.say("stop web");
  const late = scene.message(`approve ${codeOf(scene)}`, BOB);
  await scene.restart(600_000, (runner) => runner.accept(late, { resumed: true }));
  await scene.world.pass(1000);
  t.same(scene.world.effects, []);
  t.match(shown(scene), /was not approved in time \(0 of 1\)/);
});

t.test("an approval that is delivered again when all is done is answered by nothing", async (t) => {
  const scene = setUp({ web: "1" });
  await scene.say("stop web");
  const line = scene.message(`approve ${codeOf(scene)}`, BOB);
  await scene.restart(0, (runner) => runner.accept(line, { resumed: true }));
  const before = scene.world.said.length;
  await scene.restart(0, (runner) => runner.accept(line, { resumed: true }));
  t.same([scene.world.effects.length, scene.world.said.length], [1, before]);
});

t.test("an approval that was refused is not judged anew when it is delivered again", async (t) => {
  const scene = setUp({ web: "1" });
  await scene.say("stop web");
  const line = scene.message(`approve ${codeOf(scene)}`, BOB, { authorship: "unproven" });
  await scene.restart(0, (runner) => runner.accept(line, { resumed: true }));
  await scene.restart(0, (runner) => runner.accept({ ...line, authorship: "proven" }, { resumed: true }));
  t.same(scene.world.effects, []);
});

t.test("what could not be shown in time is not shown late", async (t) => {
  const scene = setUp({ web: "3" });
  await scene.say("stop web");
  scene.world.mood.chat = "away";
  for (const user of [BOB, CAROL]) await scene.say(`approve ${codeOf(scene)}`, user);
  scene.world.mood.chat = "up";
  await scene.world.pass(60_000);
  t.match(scene.questions()[0]?.edits, [/\n2 of 3: @bob:example\.org, @carol:example\.org$/]);
  t.equal(scene.questions()[0]?.edits.length, 1);
});

/** A bot that is killed after so many points, and comes back; everything is delivered until it has taken it. */
const killable = (scene: Scene, after: number) => {
  let budget = after;
  let bot = scene.live(() => {
    budget -= 1;
    return budget >= 0;
  });
  const said: Message[] = [];
  const orDie = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  };
  const revive = async (): Promise<void> => {
    await scene.world.pass(0);
    if (bot.life.alive) return;
    bot = scene.live();
    bot.runner.start();
    for (const one of said) bot.runner.accept(one, { resumed: true });
    await scene.world.pass(0);
  };
  orDie(() => bot.runner.start());
  return async (text: string, sender: string): Promise<void> => {
    await revive();
    const message = scene.message(text, sender);
    said.push(message);
    orDie(() => bot.runner.accept(message, { resumed: true }));
    await revive();
  };
};

t.test("killed at each point of a question and its answers: asked once, switched once", async (t) => {
  for (let after = 0; after < 80; after += 1) {
    const scene = setUp();
    const { world } = scene;
    const say = killable(scene, after);
    await say("stop web", ALICE);
    await say(`approve ${codeOf(scene)}`, BOB);
    await say(`approve ${codeOf(scene)}`, BOB);
    t.same(world.effects, [], `after ${after}: one has approved`);
    await say(`approve ${codeOf(scene)}`, CAROL);
    t.same(world.effects, [`${REASON}; approved by ${BOB}, ${CAROL}`], `after ${after}`);
    t.equal(scene.questions().length, 1, `after ${after}`);
    await world.pass(1000);
    t.match(shown(scene), /: approved by/, `after ${after}`);
  }
});
