// SPDX-License-Identifier: Apache-2.0
// Defines discovery's metrics: devices by type, faults, full scans, and failed scans.
import { Counter, Gauge, type Registry } from "prom-client";
import type { DiscoveryBody } from "../discovery-api/schema.ts";

export type DiscoveryMetrics = {
  found(body: DiscoveryBody): void;
  scanned(): void;
  failed(): void;
  /** Resources of the device plugin. */
  offered(counts: { registered: number; waiting: number }): void;
  registered(): void;
};

/** Registers the metrics; to be called once for a registry. */
export const createDiscoveryMetrics = (registry: Registry): DiscoveryMetrics => {
  const registers = [registry];
  const devices = new Gauge({
    name: "keyswitch_discovery_devices",
    help: "USB devices of the node by type: PicoHSM, SmartCard-HSM, Generic (libccid lists it) or other.",
    labelNames: ["type"],
    registers,
  });
  const faults = new Gauge({
    name: "keyswitch_discovery_device_faults",
    help: "Devices that can't be used, because another one of the node has the same id.",
    registers,
  });
  const paths = new Gauge({
    name: "keyswitch_discovery_paths",
    help: "Files below /dev that DEVICE_PATHS matches.",
    registers,
  });
  const scans = new Counter({
    name: "keyswitch_discovery_scans_total",
    help: "Readings of all devices: after a plug, an unplug, or 30 s.",
    registers,
  });
  const failures = new Counter({
    name: "keyswitch_discovery_failures_total",
    help: "Looks at the devices that failed; none is reported until one succeeds.",
    registers,
  });
  const resources = new Gauge({
    name: "keyswitch_discovery_resources",
    help: "Resources that are offered to the kubelet by state: registered, or waiting for it.",
    labelNames: ["state"],
    registers,
  });
  const registrations = new Counter({
    name: "keyswitch_discovery_registrations_total",
    help: "Registrations of resources at the kubelet: each once, and again whenever a kubelet starts.",
    registers,
  });
  return {
    found(body) {
      for (const type of ["PicoHSM", "SmartCard-HSM", "Generic", null] as const) {
        devices.set({ type: type ?? "other" }, body.devices.filter((one) => one.type === type).length);
      }
      faults.set(body.devices.filter(({ fault }) => fault !== null).length);
      paths.set(body.paths.length);
    },
    scanned: () => scans.inc(),
    failed: () => failures.inc(),
    offered({ registered, waiting }) {
      resources.set({ state: "registered" }, registered);
      resources.set({ state: "waiting" }, waiting);
    },
    registered: () => registrations.inc(),
  };
};
