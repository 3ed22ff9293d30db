// SPDX-License-Identifier: Apache-2.0
// Tests that the room that switched a Toggle last is told what others change, once, where the Toggle's annotation asks for it.
import t from "tap";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { ALLOWED_USERS_ANNOTATION } from "../../server/bot/access.ts";
import { NOTIFY_ANNOTATION } from "../../server/bot/switch-rooms.ts";
import { FIELD_MANAGER } from "../../server/kubernetes/last-switch.ts";
import { ALICE, BOB, Killed, makeWorld, OTHER_ROOM, ROOM, START, toggleNamed, type World } from "./world.ts";

const now = { resumed: false };
const watched = { [NOTIFY_ANNOTATION]: "true" };
const to = { room: ROOM, mentions: [ALICE] };

/** Alice has switched web on in ROOM, and it runs. */
const switchedOn = async (
  annotations: Record<string, string> = watched,
  schedule?: Toggle["spec"]["schedule"],
) => {
  const spec = schedule === undefined ? {} : { schedule };
  const world = makeWorld([toggleNamed("web", { enabled: false, ...spec }, annotations)]);
  world.becomes("web", "Off");
  const bot = world.live();
  bot.runner.start();
  bot.runner.accept(world.message("start"), now);
  await world.pass(0);
  world.becomes("web", "Running");
  await world.pass(2000);
  world.told.length = 0;
  return { world, bot };
};
/** The bot ends, and another is there after `away` ms. */
const restart = async (world: World, { runner }: ReturnType<World["live"]>, away: number) => {
  await runner.close();
  await world.pass(away);
  const next = world.live();
  next.runner.start();
  await world.pass(2000);
  return next;
};
/** As `edit`, by a manager whose record has a time. */
const editAt = (world: World, enabled: boolean, at: number) => {
  const web = world.toggles.get("web");
  if (web === undefined) throw new Error("there is no web");
  const time = new Date(at).toISOString();
  const record = { manager: "kubectl-patch", time, fieldsV1: { "f:spec": { "f:enabled": {} } } };
  const generation = (web.metadata.generation ?? 0) + 1;
  const metadata = { ...web.metadata, generation, managedFields: [record] };
  world.toggles.set("web", { ...web, metadata, spec: { ...web.spec, enabled } });
};

t.test("kubectl: told once, with the program and the reason", async (t) => {
  const { world, bot } = await switchedOn();
  world.edit("web", { enabled: false, reason: "the disk" }, "kubectl-patch");
  await world.pass(0);
  world.becomes("web", "Off");
  await world.pass(2000);
  t.match(world.told, [{ ...to, text: "web was switched off with kubectl-patch, because the disk." }]);
  const next = await restart(world, bot, 60_000);
  t.equal(world.told.length, 1, "and not again after a restart");
  world.edit("web", { enabled: true, until: "2026-11-22T10:02:02Z" }, "argocd");
  await world.pass(2000);
  t.match(world.told.slice(1), [
    { ...to, text: "web was switched on with argocd. It goes off in 2 h, at 2026-11-22 10:02 UTC." },
  ]);
  world.edit("web", { replicas: 5 }, "kubectl-edit");
  await world.pass(2000);
  t.match(world.told.slice(2), [{ ...to, text: /^web was changed with kubectl-edit\. web is / }]);
  await next.runner.close();
});

t.test(
  "without the annotation nothing is told, and what was changed before it is no news later",
  async (t) => {
    for (const annotations of [{}, { [NOTIFY_ANNOTATION]: "false" }]) {
      const { world, bot } = await switchedOn(annotations);
      bot.runner.accept(world.message("start", { room: OTHER_ROOM }), now);
      await world.pass(0);
      world.edit("web", { enabled: false });
      await world.pass(2000);
      const web = world.toggles.get("web");
      if (web === undefined) throw new Error("there is no web");
      world.toggles.set("web", { ...web, metadata: { ...web.metadata, annotations: watched } });
      world.becomes("web", "Off");
      await world.pass(60_000);
      t.same(world.told, []);
    }
  },
);

t.test("what the room itself switches, labels, restarts and states are no news", async (t) => {
  const { world, bot } = await switchedOn();
  for (const text of ["restart", "stop because of the sale", "start 2h"]) {
    bot.runner.accept(world.message(text, { sender: BOB }), now);
    await world.pass(0);
    world.becomes("web", text.startsWith("stop") ? "Off" : "Running");
    await world.pass(2000);
  }
  world.edit("web", { deploymentName: "other" });
  world.becomes("web", "Degraded");
  await world.pass(60_000);
  const others = world.told.filter(({ transaction }) => !transaction.endsWith("-last"));
  t.same(others, []);
  t.equal(world.told.length, 3);
});

t.test("another room: the one before is told who, and then the other is the one that is told", async (t) => {
  const { world, bot } = await switchedOn();
  bot.runner.accept(world.message("stop", { sender: BOB, room: OTHER_ROOM }), now);
  await world.pass(0);
  world.becomes("web", "Off");
  await world.pass(2000);
  const news = () => world.told.filter(({ transaction }) => !transaction.endsWith("-last"));
  t.match(news(), [{ ...to, text: `web was switched off by ${BOB} in another room.` }]);
  world.edit("web", { enabled: true });
  await world.pass(2000);
  t.match(news().slice(1), [
    { room: OTHER_ROOM, mentions: [BOB], text: /^web was switched on with kubectl-edit/ },
  ]);
  t.equal(news().length, 2);
});

t.test("a restart in another room is no switch: the room that switched goes on being told", async (t) => {
  const { world, bot } = await switchedOn();
  bot.runner.accept(world.message("restart", { sender: BOB, room: OTHER_ROOM }), now);
  await world.pass(0);
  world.becomes("web", "Running");
  world.edit("web", { enabled: false });
  await world.pass(2000);
  const news = world.told.filter(({ transaction }) => !transaction.endsWith("-last"));
  t.match(news, [{ ...to, text: /^web was switched off with kubectl-edit/ }]);
  t.equal(news.length, 1);
});

t.test("its schedule: each edge is told once", async (t) => {
  const { world, bot } = await switchedOn(watched, [{ timeZone: "UTC", on: ["08:00-18:00"] }]);
  const edge = (phase: "Off" | "Running", time: string, to: "On" | "Off") => {
    const status = { decidedBy: "Schedule", nextChange: { time, to } };
    world.becomes("web", phase, status);
  };
  edge("Off", "2026-11-23T08:00:00Z", "On");
  await world.pass(2000);
  edge("Off", "2026-11-23T08:00:00Z", "On");
  await world.pass(2000);
  t.match(world.told, [
    { ...to, text: "web was switched off by its schedule. It goes on in 24 h, at 2026-11-23 08:00 UTC." },
  ]);
  await restart(world, bot, 1000);
  t.equal(world.told.length, 1);
  edge("Running", "2026-11-23T18:00:00Z", "Off");
  await world.pass(2000);
  t.match(world.told.slice(1), [{ ...to, text: /^web was switched on by its schedule\./ }]);
});

t.test("what was changed during an outage is told for ten minutes", async (t) => {
  for (const [away, count] of [
    [300_000, 1],
    [3_600_000, 0],
  ] as const) {
    const { world, bot } = await switchedOn();
    editAt(world, false, START + 3000);
    await restart(world, bot, away);
    t.equal(world.told.length, count, `away for ${away} ms`);
    editAt(world, true, world.now());
    world.becomes("web", "Running");
    await world.pass(2000);
    t.equal(world.told.length, count + 1, "and the next change is news");
  }
});

t.test(
  "who may not use the Toggle any more, or a room that never switched it, is told nothing",
  async (t) => {
    const { world } = await switchedOn({ ...watched, [ALLOWED_USERS_ANNOTATION]: ALICE });
    const web = world.toggles.get("web");
    if (web === undefined) throw new Error("there is no web");
    const annotations = { ...watched, [ALLOWED_USERS_ANNOTATION]: BOB };
    world.toggles.set("web", { ...web, metadata: { ...web.metadata, annotations } });
    world.edit("web", { enabled: false });
    await world.pass(2000);
    t.same(world.told, []);
    const fresh = makeWorld([toggleNamed("web", {}, watched)]);
    fresh.live().runner.start();
    fresh.edit("web", { enabled: false });
    await fresh.pass(2000);
    t.same(fresh.told, []);
  },
);

t.test(
  "what was changed and changed back while the news waited is told as far as the room heard of it",
  async (t) => {
    for (const isSent of [false, true]) {
      const { world, bot } = await switchedOn();
      await bot.runner.close();
      const turn = Promise.withResolvers<void>();
      const tell: typeof bot.chat.tell = async (room, { text, mentions }, ...rest) => {
        if (!isSent) await turn.promise;
        const settled = text();
        if (isSent) await turn.promise;
        return chat.tell(room, { text: () => settled, mentions }, ...rest);
      };
      const { chat } = world.live();
      world.live(undefined, { chat: { ...chat, tell } }).runner.start();
      await world.pass(0);
      world.edit("web", { enabled: false });
      await world.pass(2000);
      world.edit("web", { enabled: true });
      world.becomes("web", "Running");
      await world.pass(2000);
      turn.resolve();
      await world.pass(2000);
      if (!isSent) world.becomes("web", "Running");
      await world.pass(2000);
      const texts = world.told.map(({ text }) => text.replace(/ with .*/, ""));
      t.same(texts, isSent ? ["web was switched off", "web was switched on"] : [], `sent: ${isSent}`);
    }
  },
);

t.test(
  "two programs that fight over a Toggle call nobody more than once a minute; the last is told",
  async (t) => {
    const { world } = await switchedOn();
    for (let count = 1; count <= 601; count += 1) {
      world.edit("web", { enabled: count % 2 === 0 }, count % 2 === 0 ? "argocd" : "kubectl-patch");
      await world.pass(1000);
    }
    t.ok(world.told.length >= 8 && world.told.length <= 15, `${world.told.length} in ten minutes`);
    await world.pass(5 * 60_000);
    t.equal(world.told.at(-1)?.text, "web was switched off with kubectl-patch.");
    const count = world.told.length;
    world.edit("web", { enabled: true }, "argocd");
    await world.pass(0);
    t.equal(world.told.length, count + 1, "and then at once again");
  },
);

t.test("a patch of the bot that the watch shows before it is answered is no news", async (t) => {
  const { world } = await switchedOn();
  world.edit("web", { enabled: false, requestedBy: BOB }, FIELD_MANAGER);
  await world.pass(60_000);
  t.same(world.told, []);
});

t.test("killed at each point, a change is told once", async (t) => {
  for (let after = 0; after < 16; after += 1) {
    const { world, bot } = await switchedOn();
    await bot.runner.close();
    let budget = Number.POSITIVE_INFINITY;
    const first = world.live(() => {
      budget -= 1;
      return budget >= 0;
    });
    first.runner.start();
    await world.pass(0);
    budget = after;
    try {
      world.edit("web", { enabled: false });
      first.runner.accept(world.message("start", { sender: BOB, room: OTHER_ROOM }), now);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    await world.pass(2000);
    world.live().runner.start();
    await world.pass(5000);
    const news = world.told.filter(({ transaction }) => !transaction.endsWith("-last"));
    const texts = news.map(({ text }) => text.slice(0, 26));
    t.equal(new Set(texts).size, texts.length, `after ${after}: ${texts.join(" | ")}`);
    t.ok(news.length >= 1 && news.every(({ room }) => room === ROOM), `after ${after}: ${news.length}`);
  }
});
