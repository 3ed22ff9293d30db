// SPDX-License-Identifier: Apache-2.0
// Tests what docs/guides says of sets of HSMs and other tests do not: two tokens with acknowledge: Mirror, the way back, an HSM that is
// replaced, two tokens that both hold secrets.
import t from "tap";
import { SetWorld } from "./set-world.ts";
import { pico } from "./world.ts";

const NODES = ["a", "b"];
const active = { policy: "Active" as const, targetNodes: NODES, primaryNode: "a" };
const settled = (mirroring: ConstructorParameters<typeof SetWorld>[0] = active) =>
  new SetWorld(mirroring).run(60);
const failedOver = (world: SetWorld): SetWorld => {
  world.kill("A");
  return world.run(70);
};

t.test(
  "with two HSMs and acknowledge: Mirror no write is taken while one is out, after a failover too",
  async (t) => {
    const world = failedOver(settled({ ...active, acknowledge: "Mirror" }));
    t.match(world.found, { primary: "B", epoch: 2, inSync: [] });
    t.match(world.ordered, [{ id: "B", order: { role: "primary", acks: [] } }]);
    world.revive("A");
    world.run(40);
    t.match(world.found, { primary: "B", inSync: ["A"] });
  },
);

t.test(
  "after a failover primaryNode names the old primary still, and two changes of it hand back",
  async (t) => {
    const world = failedOver(settled());
    world.revive("A");
    world.run(120);
    t.match(world.found, { phase: "Ready", primary: "B", preferredNode: "a" });
    world.mirroring = { ...active, primaryNode: "b" };
    world.run(10);
    t.match(world.found, { primary: "B", preferredNode: "b" });
    world.mirroring = { ...active, primaryNode: "a" };
    world.run(60);
    t.match(world.found, { primary: "A", preferredNode: "a" });
    t.ok(world.events.includes("Normal HandedOver"));
  },
);

t.test(
  "an HSM that was replaced is Gone until its line of the status is removed, and the new one joins",
  async (t) => {
    const world = settled({ ...active, targetNodes: [...NODES, "c"] });
    world.devices = { ...world.devices, b: [], c: [pico("C")] };
    world.run(700);
    t.same(world.places, ["A@a Healthy", "B@b Gone", "C@c Healthy"]);
    t.same(world.agents, ["A@a", "C@c"]);
    t.same(world.roles, ["A@a Primary", "B@b Mirror", "C@c Mirror"]);
    t.equal(world.found.phase, "Partial");
    t.match(world.condition("Mirrored"), /^True/);
    const devices = world.found.discoveredDevices?.filter(({ id }) => id !== "B") ?? [];
    world.status = { ...world.found, discoveredDevices: devices };
    world.run(20);
    t.same(world.places, ["A@a Healthy", "C@c Healthy"]);
    t.equal(world.found.phase, "Ready");
  },
);

t.test(
  "of two tokens with secrets primaryNode says which is first, and the other joins when it is adopted",
  async (t) => {
    const world = new SetWorld(active);
    Object.assign(world.token("A"), { secrets: 3, versions: 5 });
    Object.assign(world.token("B"), { secrets: 3, versions: 5 });
    world.run(60);
    t.same(world.roles, ["A@a Primary", "B@b None"]);
    t.match(
      world.condition("Mirrored"),
      /B: its token holds secrets of its own, and kubectl hsm mirror adopt joins it/,
    );
    world.token("B").membership = { set: "keyswitch/hsm", epoch: 0 };
    world.run(40);
    t.same(world.roles, ["A@a Primary", "B@b Mirror"]);
  },
);
