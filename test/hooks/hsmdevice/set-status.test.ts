// SPDX-License-Identifier: Apache-2.0
// Tests what the status of an HSMDevice says of a set, and that it says the same bytes while nothing happens.
import t from "tap";
import { SetWorld } from "./set-world.ts";

const SETTLED = 60;
const settled = (...args: ConstructorParameters<typeof SetWorld>) => new SetWorld(...args).run(SETTLED);
const entry = (world: SetWorld, id: string) =>
  (world.found.discoveredDevices ?? []).find((device) => device.id === id);

for (const acknowledge of ["Primary", "Mirror"] as const) {
  t.test(`100 quiet syncs change no byte of the status (acknowledge: ${acknowledge})`, async (t) => {
    const world = settled({ policy: "ReadOnly", acknowledge }, ["a", "b", "c"]);
    t.ok(world.agent("A").write());
    world.run(30);
    const [status, children] = [JSON.stringify(world.status), JSON.stringify(world.children)];
    const told = JSON.stringify(world.agent("B").told());
    for (let count = 0; count < 100; count++) {
      world.time += 10;
      t.strictSame(world.sync().events, []);
      t.equal(JSON.stringify(world.status), status);
    }
    t.equal(JSON.stringify(world.children), children);
    t.not(JSON.stringify(world.agent("B").told()), told, "though clocks and leases went on");
  });
}

t.test("lastSyncTime is when what was taken over changed", async (t) => {
  const world = settled();
  const before = entry(world, "B")?.lastSyncTime;
  world.run(100);
  t.equal(entry(world, "B")?.lastSyncTime, before);
  t.ok(world.agent("A").write());
  const { now } = world.run(10);
  t.match(entry(world, "B"), { lastSyncTime: now, mirroredFrom: "A", objects: 1, syncedVersions: 1 });
  world.agent("A").token.versions += 1;
  const then = world.run(10).now;
  t.match(entry(world, "B"), { lastSyncTime: then, objects: 1, syncedVersions: 2 });
  world.run(100);
  t.equal(entry(world, "B")?.lastSyncTime, then);
  t.match(entry(world, "A"), {
    role: "Primary",
    objects: 1,
    lastSyncTime: undefined,
    mirroredFrom: undefined,
  });
});

t.test("what a mirror that does not answer was stays in the status", async (t) => {
  const world = settled();
  t.ok(world.agent("A").write());
  world.run(20);
  const before = entry(world, "B");
  world.cut.add("B");
  world.run(30);
  t.strictSame(entry(world, "B"), before);
  t.match(world.found, { phase: "Ready" });
  t.match(world.condition("Mirrored"), /^False NotComplete: .*B: its agent does not answer/);
});

t.test("several tokens with secrets of their own wait for a word, in the status", async (t) => {
  const world = new SetWorld();
  Object.assign(world.token("A"), { secrets: 2, versions: 2 });
  Object.assign(world.token("B"), { secrets: 3, versions: 3 });
  world.run(SETTLED);
  t.match(world.found, { phase: "Pending", primary: undefined });
  t.match(world.found.message, /Several tokens hold secrets of their own \(A, B\)/);
  t.match(world.condition("Stalled"), /^True NoPrimary/);
  world.mirroring = { policy: "Active", primaryNode: "b" };
  world.run(30);
  t.strictSame([world.roles, world.writers], [["A@a None", "B@b Primary"], ["B"]]);
  t.match(world.condition("Mirrored"), /A: its token holds secrets of its own, and kubectl hsm mirror adopt/);
});

t.test("what cannot be taken over, and what differs, is told", async (t) => {
  const world = settled();
  const told = world.agent("B").told.bind(world.agent("B"));
  world.agent("B").told = () => {
    const { mirror, ...rest } = told();
    const failed = { paths: 2, code: "MIRROR_FULL" };
    return { ...rest, mirror: mirror && { ...mirror, failed, diverged: 1 } };
  };
  world.run(20);
  t.match(world.condition("Mirrored"), /B: 2 secrets could not be taken over \(MIRROR_FULL\)/);
  t.match(world.condition("Diverged"), /^True BothWritten: .*B \(1 secret\)/);
  world.cut.add("B");
  world.run(20);
  t.match(world.condition("Diverged"), /^True/, "an agent that does not answer has resolved nothing");
});

t.test(
  "with acknowledge: Mirror the status says who holds every write, and the orders who is waited for",
  async (t) => {
    const world = settled({ policy: "ReadOnly", acknowledge: "Mirror" }, ["a", "b", "c"]);
    t.match(world.found, { inSync: ["B", "C"] });
    t.match(world.ordered[0]?.order, { role: "primary", acks: ["B", "C"], policy: "ReadOnly" });
  },
);

t.test("without a policy nobody is asked or ordered, and the status has none of it", async (t) => {
  const world = settled();
  world.mirroring = { policy: "None", primaryNode: "a" };
  world.run(20);
  t.strictSame([world.asked, world.ordered], [[], []]);
  const plain = new SetWorld().run(20);
  delete plain.spec.mirroring;
  plain.status = undefined;
  plain.run(20);
  const keys = ["observedGeneration", "phase", "devices", "message", "discoveredDevices", "conditions"];
  for (const { found } of [world, plain]) {
    t.strictSame(Object.keys(found), keys);
    t.strictSame(Object.keys(found.discoveredDevices?.[0] ?? {}), [
      ...["id", "nodeName", "devicePath", "serialNumber", "health", "available", "agent"],
    ]);
    t.strictSame(
      found.conditions?.map(({ type }) => type),
      ["Ready"],
    );
  }
});
