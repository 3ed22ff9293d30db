// SPDX-License-Identifier: Apache-2.0
// Tests what the prompt says of changes of an HSMDevice's status.
import t from "tap";
import type { HSMDeviceStatus } from "../../../../hooks/hsmdevice/schema.ts";
import { narrate } from "../narrate.ts";

type Device = NonNullable<HSMDeviceStatus["discoveredDevices"]>[number];
type Conditions = NonNullable<HSMDeviceStatus["conditions"]>;

const device = (id: string, health: Device["health"] = "Healthy"): Device => ({
  id,
  nodeName: `node-${id.toLowerCase()}`,
  health,
  available: health === "Healthy",
});
const mirrored = (status: "True" | "False", message: string): Conditions => [
  { type: "Mirrored", status, reason: "R", message, lastTransitionTime: "2026-01-01T00:00:00Z" },
];
const quiet: HSMDeviceStatus = {
  discoveredDevices: [device("A"), device("B")],
  primary: "A",
  epoch: 1,
  conditions: mirrored("True", "All."),
};

t.test("what there is at the beginning", async (t) => {
  t.strictSame(narrate({}, quiet), [
    "discovery has found A on node-a",
    "discovery has found B on node-b",
    "A is the primary of epoch 1 now, and takes writes in some seconds",
    "Mirrored is True: All.",
  ]);
  t.strictSame(narrate({}, {}), []);
});

const outage: HSMDeviceStatus = { ...quiet, unreachableSince: "2026-01-01T23:59:30Z" };
const changes: [what: string, before: HSMDeviceStatus, after: HSMDeviceStatus, said: string[]][] = [
  ["nothing", quiet, { ...quiet, observedGeneration: 2 }, []],
  [
    "an unplug",
    quiet,
    { ...quiet, discoveredDevices: [device("A"), device("B", "Gone")] },
    ["B is gone from node-b"],
  ],
  [
    "a plug",
    { ...quiet, discoveredDevices: [device("A", "Gone"), device("B")] },
    quiet,
    ["A is back on node-a"],
  ],
  ["a worse health", quiet, { ...quiet, discoveredDevices: [device("A", "Unhealthy"), device("B")] }, []],
  [
    "the primary fails",
    quiet,
    outage,
    [
      "the primary A can't be reached: mirrors answer reads, writes wait; after 00:00:10 UTC a mirror takes over",
    ],
  ],
  ["it comes back", outage, quiet, ["the primary A answers again"]],
  [
    "a failover",
    outage,
    { ...quiet, primary: "B", epoch: 2 },
    ["B is the primary of epoch 2 now, and takes writes in some seconds"],
  ],
  [
    "a mirror lags",
    quiet,
    { ...quiet, conditions: mirrored("False", "B lags.") },
    ["Mirrored is False: B lags."],
  ],
];
t.test("what changes", async (t) => {
  for (const [what, before, after, said] of changes) t.strictSame(narrate(before, after), said, what);
});
