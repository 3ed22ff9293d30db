// SPDX-License-Identifier: Apache-2.0
// Lists what is different about an HSMDevice's devices where a node has a device plugin, and what the sync hook makes of it.
import type { Row } from "./sync-rows.ts";
import { otherAgent, pico } from "./world.ts";

const both = { places: ["A@a Healthy", "B@b Healthy"], agents: ["A@a", "B@b"] };

/** Each is true after it, and stays so; the world is that of `rows`. */
export const pluginRows: Row[] = [
  {
    name: "with a device plugin a second device of a node gets an agent too",
    given: (world) => {
      world.plugins.add("b");
      world.devices.b = [pico("0"), pico("B")];
      world.run(30);
    },
    expect: {
      phase: "Ready",
      places: ["0@b Healthy", "A@a Healthy", "B@b Healthy"],
      agents: ["0@b", "A@a", "B@b"],
    },
  },
  {
    name: "agents of a device plugin stay while its discovery is down",
    given: (world) => {
      world.plugins.add("b");
      world.devices.b = [pico("0"), pico("B")];
      world.run(30).silent.add("b");
      world.status = undefined;
      world.run(3600);
    },
    expect: {
      phase: "Ready",
      places: ["0@b Healthy", "A@a Healthy", "B@b Healthy"],
      agents: ["0@b", "A@a", "B@b"],
    },
  },
  {
    name: "without a device plugin any more one device of a node keeps its agent",
    given: (world) => {
      world.plugins.add("b");
      world.devices.b = [pico("0"), pico("B")];
      world.run(30).plugins.clear();
      world.run(30);
    },
    expect: {
      phase: "Ready",
      places: ["0@b Healthy", "A@a Healthy", "B@b Unused"],
      agents: ["0@b", "A@a"],
      told: /Device 0 of this HSMDevice has an agent on node b/,
    },
  },
  {
    name: "a device that the plugin does not offer is not taken by a privileged pod",
    given: (world) => {
      world.plugins.add("b");
      world.spec = { ...world.spec, discovery: { usb: [{ vendorId: "2e8a", productId: "10fd" }] } };
      world.devices.b = [pico("B", { type: null })];
      world.run(20);
    },
    expect: {
      phase: "Ready",
      places: ["A@a Healthy", "B@b Unused"],
      agents: ["A@a"],
      told: /The device plugin of node b offers no resource for it/,
    },
  },
  {
    name: "a node of the DaemonSet's agent is left to it, device plugin or not",
    given: (world) => {
      world.plugins.add("a");
      world.labels.a = { "hsm.j5t.io/agent": "true" };
      world.run(20);
    },
    expect: { phase: "Ready", places: ["A@a Unused", "B@b Healthy"], agents: ["B@b"] },
  },
  {
    name: "with a device plugin another HSMDevice's agent of another device is no obstacle",
    given: (world) => {
      world.plugins.add("a");
      world.run(20).others = [otherAgent(world, "A", { id: "X" })];
      world.run(20);
    },
    expect: { phase: "Ready", ...both },
  },
  {
    name: "with a device plugin a privileged agent of another HSMDevice has the node to itself",
    given: (world) => {
      world.run(20).others = [otherAgent(world, "A", { id: "X" })];
      world.plugins.add("a");
      world.run(20);
    },
    expect: {
      phase: "Ready",
      places: ["A@a Unused", "B@b Healthy"],
      agents: ["B@b"],
      told: /HSMDevice a-first has an agent on node a, which can have one/,
    },
  },
  {
    name: "with a device plugin two HSMDevices do not make two agents of one device",
    given: (world) => {
      world.plugins.add("a");
      world.run(20).others = [otherAgent(world, "A", {})];
      world.run(20);
    },
    expect: {
      phase: "Ready",
      places: ["A@a Unused", "B@b Healthy"],
      agents: ["B@b"],
      told: /HSMDevice a-first has an agent of it/,
    },
  },
];
