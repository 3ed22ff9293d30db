// SPDX-License-Identifier: Apache-2.0
// Tests stops for later, and restarts, from message to answer.
import t from "tap";
import { BOB, makeWorld, toggleNamed } from "./world.ts";

const now = { resumed: false };

t.test("stop in 2h leaves it on until then, and switches on nothing that is off", async (t) => {
  const world = makeWorld();
  const { runner } = world.live();
  runner.accept(world.message("stop in 2h"), now);
  await world.pass(0);
  t.match(world.toggles.get("web")?.spec, { enabled: true, until: "2026-11-22T10:00:00Z" });
  t.equal(world.said[0]?.text, "web stays on. It goes off in 2 h, at 2026-11-22 10:00 UTC.");
  world.edit("web", { enabled: false });
  world.becomes("web", "Off");
  runner.accept(world.message("stop at 18:00"), now);
  await world.pass(0);
  t.equal(world.toggles.get("web")?.spec.enabled, false);
  t.match(world.said[1]?.text, /^web is off/);
});

t.test(
  "restart: the answer follows the rollout, and the last switch keeps its user and reason",
  async (t) => {
    const world = makeWorld([toggleNamed("web", { requestedBy: BOB, reason: "of lunch" })]);
    const { runner } = world.live();
    runner.accept(world.message("restart web"), now);
    await world.pass(0);
    t.match(world.toggles.get("web")?.spec, {
      enabled: true,
      restartAt: "2026-11-22T08:00:00Z",
      requestedBy: BOB,
      reason: "of lunch",
    });
    t.equal(world.said[0]?.text, "web is restarting…");
    world.becomes("web", "Starting");
    await world.pass(1000);
    world.becomes("web", "Running");
    await world.pass(1000);
    t.same(world.said[0]?.edits, [
      "web is starting: 3 desired, 0 ready, 0 available.",
      "web is running: 3 desired, 3 ready, 3 available.",
    ]);
    world.edit("web", { enabled: false });
    world.becomes("web", "Off");
    runner.accept(world.message("restart"), now);
    await world.pass(0);
    t.match(world.said[1]?.text, /^web is off/);
    t.equal(world.effects.length, 1);
  },
);
