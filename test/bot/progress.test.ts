// SPDX-License-Identifier: Apache-2.0
// Tests answers after they were first sent: edited with progress, sent again, refreshed.
import t from "tap";
import { ALICE, BOB, makeWorld, OTHER_ROOM, ROOM, toggleNamed } from "./world.ts";

const now = { resumed: false };

t.test("a newer switch ends the progress of the older answer", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stop"), now);
  await world.pass(0);
  runner.accept(world.message("start", { sender: BOB, room: OTHER_ROOM }), now);
  await world.pass(0);
  world.becomes("web", "Running");
  await world.pass(2000);
  t.match(world.said[0]?.edits.at(-1), /^Changed again since\./);
  t.match(world.said[1]?.edits.at(-1), "web is running: 3 desired, 3 ready, 3 available.");
  const before = world.said[0]?.edits.length;
  world.becomes("web", "Degraded");
  await world.pass(2000);
  t.equal(world.said[0]?.edits.length, before);
});

t.test(
  "progress ends after twelve minutes, when the Toggle is deleted, and goes on after a restart",
  async (t) => {
    const world = makeWorld([toggleNamed("web"), toggleNamed("api")]);
    const first = world.live();
    first.runner.accept(world.message("stop"), now);
    first.runner.accept(world.message("stop api"), now);
    await world.pass(0);
    await first.runner.close();
    const { runner } = world.live();
    runner.start();
    world.becomes("web", "Stopping");
    world.remove("api");
    await world.pass(1000);
    t.equal(world.said[1]?.edits.at(-1), "api was deleted.");
    t.match(world.said[0]?.edits.at(-1), /^web is stopping/);
    await world.pass(660_000);
    t.match(world.said[0]?.edits.at(-1), /^web is stopping/);
    await world.pass(60_000);
    t.equal(
      world.said[0]?.edits.at(-1),
      "web isn't off after 12 minutes. The Deployment web: Stopping. For more, write status web. Look with: kubectl describe deployment web -n demo",
    );
    t.equal(world.said.length, 2);
    await runner.close();
  },
);

t.test(
  "a Deployment that never gets ready: the answer ends with that, and status says since when",
  async (t) => {
    const world = makeWorld([toggleNamed("web", { enabled: false })]);
    const { runner } = world.live();
    runner.accept(world.message("start"), now);
    await world.pass(0);
    const message = "0 of 3 replicas of the Deployment web available.";
    const ready = (status: string, reason: string, lastTransitionTime: string) => ({
      conditions: [{ type: "Ready", status, reason, message, lastTransitionTime }],
    });
    world.becomes("web", "Starting", { message, ...ready("False", "Starting", "2026-11-22T08:00:00Z") });
    await world.pass(30_000);
    t.equal(world.said[0]?.edits.at(-1), "web is starting: 3 desired, 0 ready, 0 available.");
    runner.accept(world.message("status web"), now);
    await world.pass(720_000);
    t.match(
      world.said[1]?.text,
      /^web is starting: 3 desired, 0 ready, 0 available\. Switched by/,
      "in the first minute",
    );
    t.equal(
      world.said[0]?.edits.at(-1),
      `web isn't ready after 12 minutes. ${message} For more, write status web. Look with: kubectl describe deployment web -n demo`,
    );
    const edits = world.said[0]?.edits.length;
    runner.accept(world.message("status web"), now);
    await world.pass(1000);
    t.match(
      world.said[2]?.text,
      /^web is starting: 3 desired, 0 ready, 0 available\. Not ready since 2026-11-22 08:00 UTC \(12 min\)\. Switched/,
    );
    world.becomes("web", "Degraded", { message, ...ready("False", "Degraded", "2026-11-22T08:00:00Z") });
    runner.accept(world.message("status"), now);
    await world.pass(1000);
    t.match(
      world.said[3]?.text,
      /^web is degraded: .*0 of 3 replicas .* Not ready since 2026-11-22 08:00 UTC \(12 min\)\./,
    );
    t.equal(world.said[0]?.edits.length, edits, "an answer that has had its last word is not edited");
  },
);

t.test("a switch that nothing takes up: the answer says so in the end", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stop"), now);
  await world.pass(725_000);
  t.match(
    world.said[0]?.edits.at(-1),
    /^web is not switched off after 12 minutes: nothing in the cluster has taken it up\./,
  );
});

t.test("a homeserver that is away for a minute gets the answer and the last state afterwards", async (t) => {
  const world = makeWorld();
  const sends: string[] = [];
  const { runner } = world.live(() => true, {
    onSend: ({ part, outcome }) => sends.push(`${part} ${outcome}`),
  });
  world.mood.chat = "away";
  runner.accept(world.message("stop"), now);
  await world.pass(60_000);
  t.equal(world.effects.length, 1);
  world.becomes("web", "Off");
  world.mood.chat = "up";
  await world.pass(60_000);
  t.match(world.said[0]?.edits, ["web is off: 0 desired, 0 ready, 0 available."]);
  t.equal(world.said.length, 1);
  t.match(sends[0], "answer retrying");
  t.match(sends.at(-1), "edit sent");
});

t.test("a room that never takes the answer is given up after an hour", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  world.mood.chat = "away";
  runner.accept(world.message("help"), now);
  await world.pass(3_700_000);
  world.mood.chat = "up";
  await world.pass(3_700_000);
  t.same(world.said, []);
  t.ok(world.logged.some(({ message }) => message.includes("given up")));
});

t.test(
  "a room in which the bot may not speak: told once with its code, counted, and not tried again",
  async (t) => {
    const world = makeWorld();
    const sends: string[] = [];
    const { runner } = world.live(() => true, {
      onSend: ({ part, outcome }) => sends.push(`${part} ${outcome}`),
    });
    world.mood.chat = "mute";
    for (const text of ["stop", "status", "help"]) runner.accept(world.message(text), now);
    await world.pass(4_000_000);
    t.equal(world.effects.length, 1);
    t.same(sends.sort(), Array(3).fill("answer refused"));
    t.same(world.unsent, Array(3).fill("M_FORBIDDEN"));
    const told = world.logged.filter(({ message }) => message !== "command");
    t.match(told, [
      { fields: { room: ROOM, code: "M_FORBIDDEN" }, message: "the bot may not speak in a room" },
    ]);
    t.equal(told.length, 1);
    world.mood.chat = "up";
    runner.accept(world.message("help"), now);
    await world.pass(0);
    world.mood.chat = "mute";
    runner.accept(world.message("help"), now);
    await world.pass(10_000);
    t.equal(
      world.logged.filter(({ message }) => /may not speak/.test(message)).length,
      2,
      "and again after it could",
    );
  },
);

t.test("a room that mutes the bot while it follows a switch gets no further try", async (t) => {
  const world = makeWorld();
  const sends: string[] = [];
  const { runner } = world.live(() => true, {
    onSend: ({ part, outcome }) => sends.push(`${part} ${outcome}`),
  });
  runner.accept(world.message("stop"), now);
  await world.pass(2000);
  world.mood.chat = "mute";
  for (let replicas = 3; replicas >= 0; replicas -= 1) {
    world.becomes("web", "Stopping", { replicas });
    await world.pass(5000);
  }
  t.same(sends, ["answer sent", "edit refused"]);
});

t.test("an answer that had to wait says how it is then", async (t) => {
  const world = makeWorld();
  const live = world.live();
  await live.runner.close();
  const gate = Promise.withResolvers<void>();
  const { runner } = world.live(() => true, {
    chat: {
      ...live.chat,
      send: async (room, text, ...rest) => {
        await gate.promise;
        const shown = typeof text === "string" ? text : text();
        world.said.push({ id: "$a", room, text: shown, transaction: rest[0], edits: [], step: 0 });
        return { room, id: "$a" };
      },
    },
  });
  runner.accept(world.message("stop"), now);
  await world.pass(0);
  world.becomes("web", "Off");
  gate.resolve();
  await world.pass(10_000);
  t.match(world.said, [{ text: "web is off: 0 desired, 0 ready, 0 available.", edits: [] }]);
});

t.test("an edit that had to wait says how it is then, and is the only one", async (t) => {
  const world = makeWorld();
  const live = world.live();
  await live.runner.close();
  const gate = Promise.withResolvers<void>();
  const edits: (string | undefined)[] = [];
  const { runner } = world.live(() => true, {
    chat: {
      ...live.chat,
      send: async (room) => ({ room, id: "$a" }),
      edit: async (_answer, edit) => {
        await gate.promise;
        edits.push(typeof edit === "string" ? edit : edit.text());
      },
    },
  });
  runner.accept(world.message("stop"), now);
  await world.pass(2000);
  world.becomes("web", "Stopping");
  await world.pass(2000);
  world.becomes("web", "Off");
  await world.pass(2000);
  world.edit("web", { enabled: true });
  world.becomes("web", "Running");
  gate.resolve();
  await world.pass(10_000);
  t.same(edits, ["Changed again since. web is running: 3 desired, 3 ready, 3 available."]);
});

t.test("a reaction refreshes an answer and switches nothing", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("status"), now);
  await world.pass(0);
  const [answer] = world.said;
  world.edit("web", { enabled: false });
  world.becomes("web", "Off");
  const generation = world.toggles.get("web")?.metadata.generation;
  await runner.refresh(answer?.id ?? "", { sender: "@eve:example.org", room: ROOM });
  await runner.refresh(answer?.id ?? "", { sender: ALICE, room: OTHER_ROOM });
  await runner.refresh("$something", { sender: ALICE, room: ROOM });
  t.same(answer?.edits, []);
  await runner.refresh(answer?.id ?? "", { sender: BOB, room: ROOM });
  t.match(answer?.edits, ["web is off: 0 desired, 0 ready, 0 available."]);
  t.equal(world.toggles.get("web")?.metadata.generation, generation);
});
