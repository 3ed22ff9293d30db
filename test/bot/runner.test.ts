// SPDX-License-Identifier: Apache-2.0
// Tests commands from message to answer, with a simulated clock, homeserver and API server.
import t from "tap";
import { ALLOWED_USERS_ANNOTATION } from "../../server/bot/access.ts";
import { ALICE, BOB, makeWorld, OTHER_ROOM, ROOM, toggleNamed } from "./world.ts";

const now = { resumed: false };
const later = { resumed: true };

t.test("stop: an echo, one patch, one answer, which is edited until the Toggle is off", async (t) => {
  const world = makeWorld();
  const { runner } = world.live(() => true, { echo: true });
  runner.start();
  runner.accept(world.message("Stop web because of the sale"), now);
  await world.pass(0);
  t.match(world.toggles.get("web")?.spec, {
    enabled: false,
    requestedBy: ALICE,
    reason: "of the sale",
  });
  t.same(
    world.said.map(({ text }) => text),
    ["🦞 Stop web because of the sale", "web is switching off…"],
  );
  world.becomes("web", "Stopping", { replicas: 2 });
  await world.pass(0);
  world.becomes("web", "Stopping", { replicas: 1 });
  world.becomes("web", "Off");
  await world.pass(999);
  t.same(world.said[1]?.edits, ["web is stopping: 2 pods left."]);
  await world.pass(1);
  t.same(
    world.said[1]?.edits.slice(1),
    ["web is off: 0 desired, 0 ready, 0 available."],
    "one edit a second",
  );
  world.becomes("web", "Missing");
  await world.pass(10_000);
  t.equal(world.said[1]?.edits.length, 2, "nothing after the last word");
  t.same(world.commands, [{ verb: "stop", outcome: "switched" }]);
});

t.test("start 2h sets until, start and stop take it out", async (t) => {
  const world = makeWorld([toggleNamed("web", { enabled: false })]);
  const { runner } = world.live();
  runner.accept(world.message("start 2h"), now);
  await world.pass(0);
  t.match(world.toggles.get("web")?.spec, { enabled: true, until: "2026-11-22T10:00:00Z" });
  t.match(world.said[0]?.text, "web is switching on… It goes off in 2 h, at 2026-11-22 10:00 UTC.");
  for (const text of ["start", "stop"]) {
    world.edit("web", { until: "2026-11-22T10:00:00Z" });
    runner.accept(world.message(text), now);
    await world.pass(0);
    t.notOk("until" in (world.toggles.get("web")?.spec ?? {}), text);
  }
  t.match(world.toggles.get("web")?.spec.reason, `"stop" in chat room ${ROOM}`);
});

t.test("who may not talk is not answered, and changes nothing", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  for (const text of ["stop", "help", "what?"]) {
    runner.accept(world.message(text, { sender: "@eve:example.org" }), now);
  }
  await runner.tell("undecryptable", world.message("", { sender: "@eve:example.org" }));
  await world.pass(5000);
  t.same([world.said, world.effects, world.disk.size], [[], [], 0]);
  t.same(world.refused, ["not-allowed", "not-allowed", "not-allowed"]);
});

t.test("a Toggle that a user may not switch reads like one that is not there", async (t) => {
  const world = makeWorld([
    toggleNamed("web"),
    toggleNamed("secret", {}, { [ALLOWED_USERS_ANNOTATION]: BOB }),
  ]);
  const { runner } = world.live();
  for (const text of ["stop secret", "stop nothing", "status secret", "list", "status", "help"]) {
    runner.accept(world.message(text), now);
    await world.pass(0);
  }
  const [hidden = "", missing = "", status = "", ...rest] = world.said.map(({ text }) => text);
  t.equal(hidden.replaceAll("secret", "nothing"), missing);
  t.equal(status.replaceAll("secret", "nothing"), missing);
  t.notMatch(rest.join(), /secret/);
  t.same(world.effects, []);
  runner.accept(world.message("stop secret", { sender: BOB }), now);
  await world.pass(0);
  t.equal(world.toggles.get("secret")?.spec.enabled, false);
});

t.test("a redelivered message is not run again, nor answered again", async (t) => {
  const world = makeWorld();
  const message = world.message("stop");
  const first = world.live();
  first.runner.accept(message, now);
  first.runner.accept(message, now);
  await world.pass(0);
  await first.runner.close();
  const { runner } = world.live();
  runner.start();
  runner.accept(message, later);
  await world.pass(300_000);
  runner.accept(message, later);
  await world.pass(5_000);
  t.same([world.effects.length, world.said.length], [1, 1]);
});

t.test("old messages: history is passed over, missed ones are told once a room", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stop", { age: 121_000 }), now);
  await world.pass(2000);
  t.same(world.said, []);
  for (const text of ["stop web because of the sale", "start 2h", "hello everybody"]) {
    runner.accept(world.message(text, { age: 121_000 }), later);
  }
  runner.accept(world.message("stop", { age: 121_000, room: OTHER_ROOM }), later);
  await world.pass(5000);
  t.match(world.said.map(({ room, text }) => [room, text]).sort(), [
    [OTHER_ROOM, /^1 command was not run: “stop”\. It came while I was away/],
    [ROOM, /^2 commands were not run: “stop web”, “start”\. They came while I was away/],
  ]);
  t.same(world.effects, []);
});

t.test("messages that could not be read are told once", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.unread(ROOM, "gap 1");
  runner.unread(ROOM, "gap 1");
  await world.pass(5000);
  runner.unread(ROOM, "gap 1");
  await world.pass(5000);
  t.match(world.said, [{ room: ROOM, text: /^I can't read all that was written here/ }]);
  t.equal(world.said.length, 1);
});

t.test("a message from the future counts as sent now", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stop", { age: -3_600_000 }), now);
  await world.pass(0);
  t.equal(world.effects.length, 1);
});

t.test(
  "a hanging API server: help is answered, another room as well, and the command says so in time",
  async (t) => {
    const world = makeWorld();
    world.mood.api = "hangs";
    const { runner } = world.live();
    runner.accept(world.message("stop"), now);
    runner.accept(world.message("help"), now);
    runner.accept(world.message("status", { room: OTHER_ROOM }), now);
    await world.pass(0);
    t.same(world.said.map(({ text }) => text.slice(0, 12)).sort(), ["start [NAME]", "web is runni"]);
    await world.pass(5000);
    t.match(world.said[2]?.text, /^I can't reach the cluster right now, and I won't try again/);
    world.mood.api = "up";
    await world.pass(600_000);
    t.same(world.effects, [], "it is not switched later");
  },
);

t.test("a short failure is bridged, also where the patch had been applied", async (t) => {
  for (const api of ["unavailable", "applies, then fails"] as const) {
    const world = makeWorld();
    world.mood.api = api;
    const { runner } = world.live();
    runner.accept(world.message("stop"), now);
    await world.pass(1000);
    world.mood.api = "up";
    await world.pass(4000);
    t.equal(world.effects.length, 1, api);
    t.match(world.said[0]?.text, /^web is switching off…/, api);
  }
});

t.test("what the API server refuses is told without its words", async (t) => {
  for (const [why, text] of [
    ["forbidden", /^The cluster doesn't let me change or read web\. Sending it again won't help/],
    ["refused", /^The cluster refused this change of web\./],
    ["not-found", /^There is no Toggle “web” here\./],
  ] as const) {
    const world = makeWorld();
    world.mood.api = why;
    const { runner } = world.live();
    runner.accept(world.message("stop"), now);
    await world.pass(6000);
    t.match(world.said[0]?.text, text);
    t.equal(world.said.length, 1);
  }
});

t.test("while the watch is down the Toggle is asked for, and no old state is told", async (t) => {
  const world = makeWorld();
  world.mood.watch = false;
  world.mood.api = "unavailable";
  const { runner } = world.live();
  for (const text of ["status", "list", "status web", "stop"]) {
    runner.accept(world.message(text), now);
    await world.pass(6000);
  }
  t.same(new Set(world.said.map(({ text }) => text.slice(0, 25))), new Set(["I can't reach the cluster"]));
  t.equal(world.said.length, 4);
});

for (const [why, what, says] of [
  [
    "forbidden",
    "may not be read",
    /^The cluster doesn't let me change or read \S+ Sending it again won't help/,
  ],
  ["not-found", "are not known", /^The cluster knows no Toggles\. Sending it again won't help/],
] as const) {
  t.test(`where Toggles ${what} at all, each command says that asking again does not help`, async (t) => {
    const world = makeWorld();
    world.mood.watch = false;
    world.mood.api = why;
    const live = world.live();
    await live.runner.close();
    const toggles = { ...live.toggles, list: () => [], state: () => ({ ok: false, why }) };
    const { runner } = world.live(() => true, { toggles });
    for (const text of ["status", "list", "status web", "stop", "stop web"]) {
      runner.accept(world.message(text), now);
      await world.pass(6000);
    }
    t.equal(world.said.length, 5);
    for (const { text } of world.said) t.match(text, says);
    t.same(
      new Set(world.commands.map(({ outcome }) => outcome)),
      new Set([why === "forbidden" ? why : "no-crd"]),
    );
  });
}

t.test("more commands than a room may have waiting are not run, and told", async (t) => {
  const world = makeWorld();
  world.mood.api = "hangs";
  const { runner } = world.live();
  for (let index = 0; index < 60; index++) runner.accept(world.message("stop"), now);
  await world.pass(2000);
  t.match(world.said.at(-1)?.text, /^10 commands were not run: (?:“stop”, ){4}“stop” and 5 more\./);
});

t.test("a status right after a switch does not tell what the watch remembers of before", async (t) => {
  const world = makeWorld();
  const stale = toggleNamed("web");
  const bot = world.live();
  await bot.runner.close();
  const { runner } = world.live(() => true, {
    toggles: { ...bot.toggles, list: () => [stale], find: () => stale },
  });
  runner.accept(world.message("stop"), now);
  runner.accept(world.message("status"), now);
  await world.pass(100);
  t.match(world.said[1]?.text, "web is switching off…");
});

t.test("an echo that could not be sent before the answer is left out", async (t) => {
  const world = makeWorld();
  const { runner } = world.live(() => true, { echo: true });
  runner.start();
  world.mood.chat = "away";
  runner.accept(world.message("stop"), now);
  await world.pass(0);
  world.mood.chat = "up";
  await world.pass(2_000);
  t.same(
    world.said.map(({ text }) => text),
    ["web is switching off…"],
  );
});

t.test("no text of a message reaches the log", async (t) => {
  const world = makeWorld();
  const { runner } = world.live(() => true, { echo: true });
  runner.accept(world.message("stop because marker"), now);
  runner.accept(world.message("marker"), now);
  world.mood.chat = "away";
  await world.pass(10_000);
  t.ok(world.logged.length > 0);
  t.notMatch(JSON.stringify(world.logged), /marker/);
});

t.test("a message is not taken by a closed runner", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  await runner.close();
  t.throws(() => runner.accept(world.message("stop"), now));
});
