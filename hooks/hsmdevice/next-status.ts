// SPDX-License-Identifier: Apache-2.0
// Builds the next status of an HSMDevice from the previous one, byte-equal unless something changed.

import type { Condition } from "../kubernetes.ts";
import { nextCondition } from "../metadata.ts";
import type { Assessment } from "./assessment.ts";
import type { Decision } from "./decide.ts";
import type { DeviceStatus, Health, HSMDeviceStatus, Phase } from "./schema.ts";

/** What one sync found out. */
export interface Finding {
  readonly phase: Phase;
  /** In one word, for the conditions. */
  readonly reason: string;
  /** In words, with what to do where something is wrong. */
  readonly message: string;
  /** Whether it lasts until somebody changes something; kstatus calls that stalled. */
  readonly stuck: boolean;
  /** Undefined: the devices are left as the status has them. */
  readonly devices?: readonly DeviceStatus[];
}

/** Health words that an agent which has not been available yet may follow on. */
const FRESH: ReadonlySet<Health | undefined> = new Set([undefined, "Starting", "Gone", "Unused", "Unknown"]);

const healthOf = ({ place, agent, hasAgent, unused }: Decision): Health => {
  if (unused !== undefined) return "Unused";
  if (place.presence === "gone") return "Gone";
  if (!hasAgent) return "Unknown";
  if (agent?.available === true && agent.node === place.node) return "Healthy";
  return FRESH.has(place.before?.health) ? "Starting" : "Unhealthy";
};

/** The entry of a device. */
export const deviceStatus = (decision: Decision, agent: string | undefined): DeviceStatus => {
  const { place, unused } = decision;
  const health = healthOf(decision);
  return {
    id: place.id,
    nodeName: place.node,
    ...(place.devicePath !== undefined && { devicePath: place.devicePath }),
    ...(place.serialNumber !== undefined && { serialNumber: place.serialNumber }),
    health,
    available: health === "Healthy",
    ...(agent !== undefined && { agent }),
    ...(place.goneSince !== undefined && { goneSince: place.goneSince }),
    ...(unused !== undefined && { message: unused }),
  };
};

const conditionsOf = ({ before, context }: Assessment, finding: Finding): Condition[] => {
  const { phase, reason, message, stuck } = finding;
  const condition = (type: string, status: Condition["status"]) =>
    nextCondition(before.conditions, context.now, { type, status, reason, message });
  const ready = phase === "Ready";
  return [
    condition("Ready", ready ? "True" : "False"),
    ...(ready ? [] : [condition(stuck ? "Stalled" : "Reconciling", "True")]),
  ];
};

/** The status after `finding`. */
export const nextStatus = (assessment: Assessment, finding: Finding): HSMDeviceStatus => {
  const { parent, before } = assessment;
  const devices = finding.devices ?? before.discoveredDevices ?? [];
  const available = devices.filter((device) => device.available).length;
  return {
    ...(parent.metadata.generation !== undefined && { observedGeneration: parent.metadata.generation }),
    phase: finding.phase,
    devices: `${available}/${devices.length}`,
    message: finding.message,
    discoveredDevices: [...devices],
    conditions: conditionsOf(assessment, finding),
  };
};
