// SPDX-License-Identifier: Apache-2.0
// Tests the HSMDevice's sync hook: each row is something that happens in a small cluster, and what follows from it.
import t from "tap";
import { pluginRows } from "./plugin-rows.ts";
import { rows } from "./sync-rows.ts";
import { pico, World } from "./world.ts";

for (const { name, given, expect } of [...rows, ...pluginRows]) {
  t.test(name, async (t) => {
    const world = new World({ a: [pico("A")], b: [pico("B")] }).run(20);
    given?.(world);
    t.strictSame([world.places, world.agents], [expect.places, expect.agents]);
    t.equal(world.found.phase, expect.phase);
    if (expect.message) t.match(world.found.message, expect.message);
    const told = (world.found.discoveredDevices ?? []).map(({ message }) => message ?? "").join(" ");
    if (expect.told) t.match(told, expect.told);
    const conditions = (world.found.conditions ?? []).map(({ type, status }) => `${type}=${status}`);
    t.equal(conditions[0], expect.phase === "Ready" ? "Ready=True" : "Ready=False");
    t.equal(conditions.length, expect.phase === "Ready" ? 1 : 2);
  });

  t.test(`${name}: after that, 100 quiet syncs change no byte and tell nothing`, async (t) => {
    const world = new World({ a: [pico("A")], b: [pico("B")] }).run(20);
    given?.(world);
    world.run(700);
    const before = JSON.stringify([world.status, world.children]);
    for (let count = 0; count < 100; count++) {
      world.time += 10;
      t.strictSame(world.sync().events, []);
    }
    t.equal(JSON.stringify([world.status, world.children]), before);
  });
}

t.test("where nothing is found the status says what is missing", async (t) => {
  const nothing = new World({ a: [] }).run(10);
  t.match(nothing.found, { phase: "Pending", devices: "0/0", message: /^No device matches/ });
  t.match(new World({}).run(10).found, { phase: "Pending", message: /no discovery in this namespace/ });
  const unselected = new World({ a: [pico("A")] });
  unselected.spec = { ...unselected.spec, nodeSelector: { hsm: "yes" } };
  t.match(unselected.run(10).found, { phase: "Pending", message: /selects no node/ });
});

t.test("times are those of a change", async (t) => {
  const world = new World({ a: [pico("A")] }).run(20);
  world.devices.a = [];
  const { now } = world.run(10);
  world.run(300);
  t.match(world.found.discoveredDevices, [{ goneSince: now, available: false }]);
  t.match(world.found.conditions, [{ type: "Ready", status: "False", lastTransitionTime: now }, {}]);
});

t.test("a report that names another node than the one that was asked is none", async (t) => {
  const world = new World({ a: [pico("A")], b: [] }).run(20);
  world.reports = () => [{ node: "b", plugin: false, devices: [pico("A")], paths: [] }];
  world.silent.add("b");
  t.strictSame(world.run(10).places, ["A@a Healthy"]);
});

t.test("a Deployment whose annotations somebody took stays while discovery is down", async (t) => {
  const world = new World({ a: [pico("A")] }).run(20);
  world.silent.add("a");
  const names = () =>
    (world.children as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name);
  const before = names();
  for (const child of world.children) delete (child.metadata as { annotations?: object }).annotations;
  world.run(10);
  t.same(names().sort(), before.sort());
});

t.test(
  "where a device plugin comes, a second device waits until the first one's agent is made anew",
  async (t) => {
    const world = new World({ b: [pico("0"), pico("B")] }).run(20);
    t.strictSame(world.agents, ["0@b"]);
    world.plugins.add("b");
    t.strictSame(
      world.run(10).places,
      ["0@b Healthy", "B@b Unused"],
      "a privileged pcscd still has both readers",
    );
    t.strictSame(world.run(10).agents, ["0@b", "B@b"]);
  },
);
