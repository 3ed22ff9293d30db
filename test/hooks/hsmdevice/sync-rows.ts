// SPDX-License-Identifier: Apache-2.0
// Lists what happens to an HSMDevice's devices and nodes, and what the sync hook makes of it.
import { otherAgent, pico, type World } from "./world.ts";

/** What is done to the world, which has two nodes and a settled agent on each. */
export type Row = {
  name: string;
  given?: (world: World) => void;
  expect: { phase: string; places: string[]; agents: string[]; message?: RegExp; told?: RegExp };
};

const both = { places: ["A@a Healthy", "B@b Healthy"], agents: ["A@a", "B@b"] };

/** Each is true after it, and stays so. */
export const rows: Row[] = [
  {
    name: "each device has an agent on its node",
    expect: { phase: "Ready", ...both, message: /^2 of 2 devices available\.$/ },
  },
  {
    name: "discovery that is down on a node removes nothing",
    given: (world) => world.silent.add("a") && world.run(3600),
    expect: { phase: "Ready", ...both, message: /No report of discovery from a/ },
  },
  {
    name: "discovery that is down everywhere removes nothing",
    given: (world) => {
      world.silent = new Set(["a", "b"]);
      world.run(3600);
    },
    expect: { phase: "Ready", ...both },
  },
  {
    name: "a status that somebody emptied while discovery is down removes nothing",
    given: (world) => {
      world.silent = new Set(["a", "b"]);
      world.status = undefined;
      world.run(20);
    },
    expect: { phase: "Ready", ...both },
  },
  {
    name: "a device that is unplugged keeps its agent for ten minutes",
    given: (world) => {
      world.devices.a = [];
      world.run(600);
    },
    expect: { phase: "Partial", places: ["A@a Gone", "B@b Healthy"], agents: ["A@a", "B@b"] },
  },
  {
    name: "a device that is unplugged for longer loses its agent and not its place",
    given: (world) => {
      world.devices.a = [];
      world.run(620);
    },
    expect: { phase: "Partial", places: ["A@a Gone", "B@b Healthy"], agents: ["B@b"], message: /gone: A/ },
  },
  {
    name: "a device that is gone keeps its agent while its node does not report",
    given: (world) => {
      world.devices.a = [];
      world.run(300).silent.add("a");
      world.run(3600);
    },
    expect: { phase: "Partial", places: ["A@a Gone", "B@b Healthy"], agents: ["A@a", "B@b"] },
  },
  {
    name: "a device that comes back has its agent again",
    given: (world) => {
      world.devices.a = [];
      world.run(1200).devices.a = [pico("A", { devicePath: "bus/usb/001/009" })];
      world.run(20);
    },
    expect: { phase: "Ready", ...both },
  },
  {
    name: "a device that is plugged into another node takes its agent along",
    given: (world) => {
      world.devices = { a: [], b: [], c: [pico("A")] };
      world.run(20);
    },
    expect: { phase: "Partial", places: ["A@c Healthy", "B@b Gone"], agents: ["A@c", "B@b"] },
  },
  {
    name: "a device of a dead node that is plugged into another takes its agent along",
    given: (world) => {
      world.silent.add("a");
      world.broken.add("A");
      world.devices.c = [pico("A")];
      world.run(20).broken.clear();
      world.run(10);
    },
    expect: { phase: "Ready", places: ["A@c Healthy", "B@b Healthy"], agents: ["A@c", "B@b"] },
  },
  {
    name: "an agent that works on a silent node stays, though its device's id is seen elsewhere",
    given: (world) => {
      world.silent.add("a");
      world.devices.c = [pico("A")];
      world.run(20);
    },
    expect: {
      phase: "Partial",
      places: ["A@a Healthy", "A@c Unused", "B@b Healthy"],
      agents: ["A@a", "B@b"],
      told: /Node a, which discovery does not reach/,
    },
  },
  {
    name: "two devices with one serial on two nodes are named, and neither is used",
    given: (world) => {
      world.devices.c = [pico("A")];
      world.run(20);
    },
    expect: {
      phase: "Partial",
      places: ["A@a Unused", "A@c Unused", "B@b Healthy"],
      agents: ["B@b"],
      told: /Several devices have the id A \(a, c\)/,
    },
  },
  {
    name: "two devices with one serial stay unused while one of their nodes is silent",
    given: (world) => {
      world.devices.c = [pico("A")];
      world.run(20).silent.add("a");
      world.run(3600);
    },
    expect: { phase: "Partial", places: ["A@a Unused", "A@c Unused", "B@b Healthy"], agents: ["B@b"] },
  },
  {
    name: "two devices with one serial on one node are named, and neither is used",
    given: (world) => {
      const twin = pico("A", { fault: "duplicate serial" });
      world.devices.a = [twin, twin];
      world.run(20);
    },
    expect: {
      phase: "Partial",
      places: ["A@a Unused", "B@b Healthy"],
      agents: ["B@b"],
      told: /Several devices/,
    },
  },
  {
    name: "a second device of a node is listed and not used, and takes nobody's place",
    given: (world) => {
      world.devices.b = [pico("0"), pico("B")];
      world.run(20);
    },
    expect: {
      phase: "Ready",
      places: ["0@b Unused", "A@a Healthy", "B@b Healthy"],
      agents: ["A@a", "B@b"],
      told: /Device B of this HSMDevice has an agent on node b/,
    },
  },
  {
    name: "what is beyond maxDevices is listed and not used",
    given: (world) => {
      world.spec = { ...world.spec, maxDevices: 1 };
      world.run(10);
    },
    expect: {
      phase: "Ready",
      places: ["A@a Healthy", "B@b Unused"],
      agents: ["A@a"],
      told: /maxDevices \(1\)/,
    },
  },
  {
    name: "a device that the spec does not mean any more goes at once",
    given: (world) => {
      world.spec = {
        ...world.spec,
        discovery: { usb: [{ vendorId: "2E8A", productId: "10fd", serialNumber: "B" }] },
      };
      world.run(10);
    },
    expect: { phase: "Ready", places: ["B@b Healthy"], agents: ["B@b"] },
  },
  {
    name: "a node that the selector leaves out loses its device after ten minutes",
    given: (world) => {
      world.labels.a = { hsm: "yes" };
      world.spec = { ...world.spec, nodeSelector: { hsm: "yes" } };
      world.run(620);
    },
    expect: { phase: "Partial", places: ["A@a Healthy", "B@b Gone"], agents: ["A@a"] },
  },
  {
    name: "a new device on a silent node waits for a report",
    given: (world) => {
      world.silent.add("c");
      world.devices.c = [pico("C")];
      world.run(20);
    },
    expect: { phase: "Ready", ...both },
  },
  {
    name: "other devices are not seen",
    given: (world) => {
      world.devices.a?.push(
        pico("K", { type: null, vendorId: "046d" }),
        pico("S", { type: "SmartCard-HSM" }),
      );
      world.run(10);
    },
    expect: { phase: "Ready", ...both },
  },
  {
    name: "a path is listed, and can't be used",
    given: (world) => {
      world.paths.a = [
        { path: "ttyACM0", permissions: "0660" },
        { path: "ttyACM1", permissions: "0600" },
      ];
      const devicePath = { path: "/dev/tty*", permissions: "0660" };
      world.spec = { ...world.spec, discovery: { autoDiscovery: true, devicePath } };
      world.run(10);
    },
    expect: {
      phase: "Ready",
      places: ["A@a Healthy", "B@b Healthy", "a.ttyACM0@a Unused"],
      agents: ["A@a", "B@b"],
      told: /found by its path alone/,
    },
  },
  {
    name: "an agent that stops being available is told, and stays",
    given: (world) => {
      world.broken.add("A");
      world.run(20);
    },
    expect: { phase: "Partial", places: ["A@a Unhealthy", "B@b Healthy"], agents: ["A@a", "B@b"] },
  },
  {
    name: "a node of the DaemonSet's agent is left to it",
    given: (world) => {
      world.labels.a = { "hsm.j5t.io/agent": "true" };
      world.run(10);
    },
    expect: {
      phase: "Ready",
      places: ["A@a Unused", "B@b Healthy"],
      agents: ["B@b"],
      told: /Take the label away/,
    },
  },
  {
    name: "a node that another HSMDevice uses is left to it",
    given: (world) => {
      world.others = [otherAgent(world, "A", {})];
      world.run(10);
    },
    expect: {
      phase: "Ready",
      places: ["A@a Unused", "B@b Healthy"],
      agents: ["B@b"],
      told: /HSMDevice a-first/,
    },
  },
  {
    name: "without a customize hook nothing is made and nothing goes",
    given: (world) => {
      world.hasCustomize = false;
      world.devices.a = [];
      world.run(1200);
    },
    expect: { phase: "Error", ...both, message: /no customize hook/ },
  },
];
