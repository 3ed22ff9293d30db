// SPDX-License-Identifier: Apache-2.0
// Builds the next status of an HSMDevice from the previous one, byte-equal unless something changed.

import type { Condition } from "../kubernetes.ts";
import { type FoundCondition, nextCondition } from "../metadata.ts";
import type { Assessment } from "./assessment.ts";
import type { Decision } from "./decide.ts";
import { roleStateOf } from "./role-members.ts";
import { type RoleOutcome, roleConditions, roleFields } from "./role-status.ts";
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
  /** Undefined where the devices are no set, or nothing was decided. */
  readonly roles?: RoleOutcome;
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
export const deviceStatus = (
  decision: Decision,
  agent: string | undefined,
  roles: RoleOutcome | undefined,
): DeviceStatus => {
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
    ...(roles !== undefined && roleFields(roles, decision)),
    ...(unused !== undefined && { message: unused }),
  };
};

/** Mirrored and Diverged. Where nothing was decided they stay, as what the next sync decides by does. */
const setConditions = ({ spec, before }: Assessment, { roles, devices = [] }: Finding): FoundCondition[] => {
  if (roles !== undefined) return roleConditions(roles, devices);
  const { conditions = [] } = before;
  return spec.mirroring === undefined
    ? []
    : conditions.filter(({ type }) => type === "Mirrored" || type === "Diverged");
};

const conditionsOf = (assessment: Assessment, finding: Finding): Condition[] => {
  const { before, context } = assessment;
  const { phase, reason, message, stuck } = finding;
  const ready = phase === "Ready";
  const found: FoundCondition[] = [
    { type: "Ready", status: ready ? "True" : "False", reason, message },
    ...(ready ? [] : [{ type: stuck ? "Stalled" : "Reconciling", status: "True", reason, message } as const]),
    ...setConditions(assessment, finding),
  ];
  return found.map((one) => nextCondition(before.conditions, context.now, one));
};

const setStatus = ({ spec, before }: Assessment, { roles }: Finding): Partial<HSMDeviceStatus> => {
  if (roles !== undefined) return roleStateOf(roles.decision.next);
  return spec.mirroring === undefined ? {} : roleStateOf(before);
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
    ...setStatus(assessment, finding),
    conditions: conditionsOf(assessment, finding),
  };
};
