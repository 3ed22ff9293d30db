// SPDX-License-Identifier: Apache-2.0
// Tests the one patch of a command while others change, delete and recreate the Toggle.
import t from "tap";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { SentPatch } from "../../server/bot/journal.ts";
import { patchOf, resumeSwitch, type SwitchContext, switchOnce } from "../../server/bot/switching.ts";
import { ALICE, makeWorld, ROOM, START, toggleNamed, type World } from "./world.ts";

const patch = { enabled: false, until: null, requestedBy: ALICE, reason: "r" };

const asked = { sender: ALICE, room: ROOM, now: START + 1, timeZone: "UTC" };

const begin = (world: World) => {
  const { toggles, clock } = world.live();
  const begun: SentPatch[] = [];
  const context: SwitchContext = {
    toggles,
    clock,
    mayUse: () => true,
    lacks: () => undefined,
    onBegin: (one) => begun.push(one),
  };
  const toggle = world.toggles.get("web");
  if (toggle === undefined) throw new Error("there is no Toggle web");
  return { context, begun, toggle };
};

const ended = async <T>(world: World, work: Promise<T>): Promise<T> => {
  await world.pass(20_000);
  return work;
};

t.test("a time ends at a whole second, not before it is over", async (t) => {
  t.match(patchOf({ verb: "start", seconds: 60 }, toggleNamed("web"), asked), {
    enabled: true,
    until: "2026-11-22T08:01:01Z",
  });
});

t.test("a time of day is the next one in the zone", async (t) => {
  const berlin = { ...asked, timeZone: "Europe/Berlin" };
  t.match(patchOf({ verb: "start", time: "18:00" }, toggleNamed("web"), berlin), {
    enabled: true,
    until: "2026-11-22T17:00:00Z",
  });
});

t.test("a stop for later keeps it on until then, and starts nothing", async (t) => {
  const later = { verb: "stop", seconds: 60 } as const;
  t.match(patchOf(later, toggleNamed("web"), asked), { enabled: true, until: "2026-11-22T08:01:01Z" });
  t.equal(patchOf(later, toggleNamed("web", { enabled: false }), asked), undefined);
  t.equal(patchOf(later, toggleNamed("web", { until: "2026-11-22T07:00:00Z" }), asked), undefined);
  t.match(patchOf({ verb: "stop" }, toggleNamed("web"), asked), { enabled: false, until: null });
});

t.test("a restart changes its time alone, and starts nothing that is off", async (t) => {
  const restart = { verb: "restart" } as const;
  t.same(patchOf(restart, toggleNamed("web"), asked), { restartAt: "2026-11-22T08:00:01Z" });
  t.equal(patchOf(restart, toggleNamed("web", { enabled: false }), asked), undefined);
});

t.test("a stop for later starts nothing that was stopped in between", async (t) => {
  const world = makeWorld();
  const { context, toggle, begun } = begin(world);
  world.edit("web", { enabled: false });
  const result = await ended(
    world,
    switchOnce(context, toggle, (now) => patchOf({ verb: "stop", seconds: 60 }, now, asked)),
  );
  t.equal(result.kind, "idle");
  t.equal(begun.length, 1, "what it began with was refused");
  t.equal(world.toggles.get("web")?.spec.enabled, false);
});

t.test("a Toggle that changed since it was looked up is switched at its new generation", async (t) => {
  const world = makeWorld();
  const { context, begun, toggle } = begin(world);
  world.edit("web", { replicas: 5 });
  const result = await ended(
    world,
    switchOnce(context, toggle, () => patch),
  );
  t.equal(result.kind, "switched");
  t.same(
    begun.map(({ generation }) => generation),
    [1, 2],
  );
});

t.test("a patch that arrives late does not undo what somebody did meanwhile", async (t) => {
  const world = makeWorld();
  const { context, toggle } = begin(world);
  world.mood.api = "applies late";
  const work = switchOnce(context, toggle, () => patch);
  await world.pass(1000);
  world.edit("web", { replicas: 5 });
  t.same(await ended(world, work), { kind: "failed", why: "unavailable" });
  t.match(world.toggles.get("web")?.spec, { enabled: true, replicas: 5 });
});

t.test("a Toggle that was deleted and made anew is not taken for the one that was switched", async (t) => {
  const world = makeWorld();
  const { context, begun, toggle } = begin(world);
  await ended(
    world,
    switchOnce(context, toggle, () => patch),
  );
  world.remove("web");
  world.create("web");
  const [first] = begun;
  if (first === undefined) return t.fail("nothing was begun");
  t.match(
    await ended(
      world,
      resumeSwitch(context, first, () => false),
    ),
    { kind: "interrupted" },
  );
  t.equal(world.toggles.get("web")?.spec.enabled, true);
});

t.test(
  "resumed: applied is done, untouched is patched unless it is late, changed is left alone",
  async (t) => {
    for (const [before, late, state, effects] of [
      ["applied", true, "switched", 1],
      ["untouched", false, "switched", 1],
      ["untouched", true, "late", 0],
      ["changed", false, "interrupted", 0],
    ] as const) {
      const world = makeWorld();
      const { context, toggle } = begin(world);
      const begun = { toggle: "web", uid: "uid-web", generation: 1, patch };
      const patchFor = () => patch;
      if (before === "applied") await ended(world, switchOnce(context, toggle, patchFor));
      if (before === "changed") world.edit("web", { replicas: 5 });
      const result = await ended(
        world,
        resumeSwitch(context, begun, () => late),
      );
      t.same([result.kind, world.effects.length], [state, effects], `${before}${late ? ", late" : ""}`);
    }
  },
);

t.test("resumed: a Toggle that nobody has switched is not taken for one that is on", async (t) => {
  const world = makeWorld();
  const { context, toggle } = begin(world);
  const { enabled: _, ...spec } = toggle.spec;
  world.toggles.set("web", { ...toggle, spec: { ...spec, requestedBy: ALICE, reason: "r" } });
  const begun = { toggle: "web", uid: "uid-web", generation: 1, patch: { ...patch, enabled: true } };
  const { kind: state } = await ended(
    world,
    resumeSwitch(context, begun, () => false),
  );
  t.equal(state, "switched");
  t.same([world.effects.length, world.toggles.get("web")?.spec.enabled], [1, true]);
});

t.test("whoever lost the right in between does not switch", async (t) => {
  const world = makeWorld();
  const { context, toggle } = begin(world);
  world.edit("web", { replicas: 5 });
  const result = await ended(
    world,
    switchOnce({ ...context, mayUse: () => false }, toggle, () => patch),
  );
  t.same([result.kind, world.effects], ["hidden", []]);
});

t.test("without the approval that a Toggle needs when it is patched, it is not", async (t) => {
  const lack = { kind: "missing", need: 1, has: 0 } as const;
  const annotated = (toggle: Toggle): boolean => toggle.metadata.annotations !== undefined;
  const lacks = (toggle: Toggle) => (annotated(toggle) ? lack : undefined);
  const annotations = { "toggle.j5t.io/approvals": "1" };
  const needy = toggleNamed("web", {}, annotations);

  const first = makeWorld([needy]);
  const { context } = begin(first);
  t.same(await switchOnce({ ...context, lacks }, needy, () => patch), { kind: "unapproved", lack });

  const changed = makeWorld();
  const scene = begin(changed);
  changed.edit("web", { until: "2026-11-22T20:00:00Z" });
  const now = changed.toggles.get("web") ?? needy;
  changed.toggles.set("web", { ...now, metadata: { ...now.metadata, annotations } });
  const anew = switchOnce({ ...scene.context, lacks }, scene.toggle, () => patch);
  t.same(await ended(changed, anew), { kind: "unapproved", lack }, "begun anew");

  const begun = { toggle: "web", uid: "uid-web", generation: 1, patch };
  const resumed = resumeSwitch({ ...context, lacks }, begun, () => false);
  t.same(await ended(first, resumed), { kind: "unapproved", lack }, "after a restart");
  t.same([first.effects, changed.effects], [[], []]);

  first.edit("web", { enabled: false, requestedBy: ALICE, reason: "r" });
  const applied = resumeSwitch({ ...context, lacks }, begun, () => false);
  t.equal((await ended(first, applied)).kind, "switched", "it took effect before");
});
