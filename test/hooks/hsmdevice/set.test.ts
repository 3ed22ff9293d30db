// SPDX-License-Identifier: Apache-2.0
// Tests the HSMDevice hooks where the devices are a set: who gets which role, and what is ordered.
import t from "tap";
import { finalize } from "./hooks.ts";
import { SetWorld } from "./set-world.ts";
import { pico } from "./world.ts";

const SETTLED = 60;
const settled = (...args: ConstructorParameters<typeof SetWorld>) => new SetWorld(...args).run(SETTLED);
const entry = (world: SetWorld, id: string) =>
  (world.found.discoveredDevices ?? []).find((device) => device.id === id);

t.test(
  "one becomes the primary and the other its mirror, and nobody writes before the status says so",
  async (t) => {
    const world = new SetWorld();
    while (world.found?.primary === undefined) {
      world.run(10);
      t.strictSame(world.writers, []);
      if (world.time > 100) return t.fail("no primary");
    }
    t.match(world.found, { primary: "A", epoch: 1 });
    t.strictSame(world.ordered, [], "the status that says so was not read back yet");
    world.run(20);
    t.strictSame(world.writers, ["A"]);
    t.strictSame(world.roles, ["A@a Primary", "B@b Mirror"]);
    t.match(world.found, { phase: "Ready", established: true });
    t.equal(world.condition("Mirrored"), "True AllComplete: All members hold what A holds.");
    t.match(world.condition("Diverged"), /^False None/);
    t.strictSame(
      world.events.filter((event) => event.includes("Primary")),
      ["Normal PrimaryElected"],
    );
    t.match(world.ordered, [
      { id: "A", address: "[fd00::a]:8444", order: { set: "keyswitch/hsm", role: "primary", epoch: 1 } },
      { id: "B", order: { role: "mirror", members: [{ id: "A", address: "[fd00::a]:8444" }, { id: "B" }] } },
    ]);
  },
);

t.test(
  "a primary that ends is followed by its mirror after lease and one call, and comes back as a mirror",
  async (t) => {
    const world = settled();
    t.ok(world.agent("A").write());
    world.run(20);
    world.events = [];
    world.kill("A");
    const since = world.run(10).now;
    t.match(world.found, { phase: "Partial", primary: "A", unreachableSince: since });
    t.match(world.found.message, /The primary A can't be reached/);
    t.match(world.condition("Mirrored"), /^False PrimaryUnreachable/);
    world.run(30);
    t.strictSame(world.writers, []);
    t.match(world.found, { primary: "A", epoch: 1 });
    world.run(20);
    t.match(world.found, { primary: "B", epoch: 2, failoverCount: 1, unreachableSince: undefined });
    t.strictSame(world.writers, ["B"]);
    t.strictSame(world.roles, ["A@a Mirror", "B@b Primary"]);
    t.match(world.condition("Mirrored"), /^False NotComplete: .*A: its agent does not answer/);
    t.equal(world.events.filter((event) => event === "Warning Failover").length, 1);
    world.revive("A");
    world.run(40);
    t.strictSame(world.roles, ["A@a Mirror", "B@b Primary"]);
    t.match(world.found, { phase: "Ready", primary: "B", epoch: 2 });
    t.equal(world.condition("Mirrored"), "True AllComplete: All members hold what B holds.");
    t.match(entry(world, "A"), { mirroredFrom: "B", objects: 1 });
  },
);

t.test(
  "a primary that only the webhook does not reach loses its lease before another one writes",
  async (t) => {
    const world = settled();
    world.cut.add("A");
    for (let left = 12; left > 0; left--) {
      world.run(10);
      t.ok(world.writers.length <= 1, `${world.writers}`);
    }
    t.strictSame(world.writers, ["B"]);
  },
);

t.test("a mirror of the old primary does not count as one of the new one", async (t) => {
  const world = settled({ policy: "Active" }, ["a", "b", "c"]);
  world.kill("A");
  while (world.found.epoch === 1 && world.time < 300) world.run(10);
  t.match(world.found, { primary: "B", epoch: 2 });
  t.match(world.condition("Mirrored"), /^False NotComplete: .*C: it has not taken over everything yet/);
});

t.test("a decision is granted, and a failover made, as soon as it can be", async (t) => {
  const world = settled();
  const after = () => world.sync().response.resyncAfterSeconds;
  t.equal(after(), 10);
  world.kill("A");
  world.run(10);
  world.time += 32;
  t.equal(after(), 8, "40 seconds after it was found unreachable");
  world.time += 8;
  t.equal(after(), 1, "to grant what was decided");
  world.time += 1;
  t.equal(after(), 10);
  t.strictSame(world.writers, ["B"]);
  world.kill("B");
  world.cut.add("A");
  world.run(100);
  t.equal(after(), 10, "where nobody can follow");
});

t.test("where the status is lost, who has a lease stays the primary", async (t) => {
  const world = settled({ policy: "Active", primaryNode: "b" });
  t.strictSame(world.writers, ["B"]);
  world.status = undefined;
  world.run(30);
  t.match(world.found, { primary: "B", epoch: 2, established: true });
  t.strictSame(world.writers, ["B"]);
});

t.test("a change of primaryNode hands over", async (t) => {
  const world = settled({ policy: "Active", primaryNode: "a" });
  t.ok(world.agent("A").write());
  world.run(10);
  world.mirroring = { policy: "Active", primaryNode: "b" };
  world.run(10);
  t.match(world.found, { primary: "A", handover: { to: "B" } });
  world.run(30);
  t.match(world.found, { primary: "B", epoch: 2, preferredNode: "b", handover: undefined });
  t.strictSame(world.writers, ["B"]);
  t.equal(world.agent("B").token.secrets, 1);
  t.equal(world.events.filter((event) => event === "Normal HandedOver").length, 1);
});

t.test("where the mirror of a hand-over is not complete the status says so, and all stays", async (t) => {
  const world = settled({ policy: "Active", primaryNode: "a" });
  world.kill("B");
  world.mirroring = { policy: "Active", primaryNode: "b" };
  world.run(20);
  t.match(
    world.condition("Mirrored"),
    /No mirror on node b is complete and without diverged secrets, so that A stays primary/,
  );
  t.strictSame(world.writers, ["A"]);
});

t.test("a decision whose status is not stored is granted to nobody", async (t) => {
  const world = new SetWorld().run(20);
  world.status = { ...world.status, primary: undefined, epoch: undefined };
  world.status = JSON.parse(JSON.stringify(world.status));
  world.storesStatus = false;
  world.run(100);
  t.strictSame([world.writers, world.ordered], [[], []]);
  world.storesStatus = true;
  world.run(20);
  t.strictSame(world.writers, ["A"]);
});

t.test("a failover whose status is not stored is granted to nobody", async (t) => {
  const world = settled();
  world.kill("A");
  world.run(40);
  world.storesStatus = false;
  world.run(100);
  t.strictSame(world.writers, []);
  world.storesStatus = true;
  world.run(20);
  t.strictSame(world.writers, ["B"]);
  t.match(world.found, { epoch: 2, failoverCount: 1 });
});

t.test("discovery that is down changes no role", async (t) => {
  const world = settled();
  world.silent = new Set(["a", "b"]);
  world.run(3600);
  t.strictSame([world.roles, world.writers], [["A@a Primary", "B@b Mirror"], ["A"]]);
  t.equal(world.found.epoch, 1);
});

t.test("an answer of an agent that has the address since is none", async (t) => {
  const world = settled();
  const { told } = world.agent("B");
  world.agent("B").told = function () {
    return { ...told.call(this), device: "another" };
  };
  world.run(20);
  t.match(world.condition("Mirrored"), /B: its agent does not answer/);
  t.strictSame(
    world.ordered.map(({ id }) => id),
    ["A"],
  );
});

t.test("devices of other nodes than targetNodes and primaryNode are not used", async (t) => {
  const nodes = ["a", "b", "c"];
  const world = settled({ policy: "Active", targetNodes: ["b"], primaryNode: "a" }, nodes);
  t.strictSame(world.roles, ["A@a Primary", "B@b Mirror", "C@c None"]);
  t.match(entry(world, "C"), { health: "Unused", message: /neither in spec.mirroring.targetNodes/ });
  world.mirroring = { policy: "Active", targetNodes: ["b"], primaryNode: "b" };
  world.run(10);
  t.strictSame(world.agents, ["A@a", "B@b"], "the primary stays until it has handed over");
  world.run(40);
  t.strictSame(world.roles, ["A@a None", "B@b Primary", "C@c None"]);
  t.strictSame([world.agents, world.writers], [["B@b"], ["B"]]);
});

t.test(
  "without a customize hook, and when it is deleted, nobody is ordered and the state stays",
  async (t) => {
    const world = settled();
    world.hasCustomize = false;
    const { primary, epoch, established } = world.found;
    world.request = () => {
      const request = SetWorld.prototype.request.call(world);
      return { ...request, related: {} };
    };
    world.run(20);
    t.match(world.found, { primary, epoch, established, phase: "Error" });
    t.match(world.condition("Mirrored"), /^True/);
    t.strictSame(world.ordered, []);
    t.notOk("status" in finalize(world.request(true), world.now).response);
  },
);

t.test("a third device that comes joins as a mirror", async (t) => {
  const world = settled();
  t.ok(world.agent("A").write());
  world.devices.c = [pico("C")];
  world.run(40);
  t.strictSame(world.roles, ["A@a Primary", "B@b Mirror", "C@c Mirror"]);
  t.equal(world.agent("C").token.secrets, 1);
  t.match(world.condition("Mirrored"), /^True/);
});
