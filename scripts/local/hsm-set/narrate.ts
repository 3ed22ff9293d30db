// SPDX-License-Identifier: Apache-2.0
// Says in words what has changed between two statuses of an HSMDevice, for those who watch a set at the prompt.
import { FAILOVER_SECONDS } from "../../../hooks/hsmdevice/roles.ts";
import type { HSMDeviceStatus } from "../../../hooks/hsmdevice/schema.ts";
import { conditionOf } from "../../../hooks/metadata.ts";

/** One line for each change that a user may wait for. */
export const narrate = (before: HSMDeviceStatus, after: HSMDeviceStatus): string[] => [
  ...devicesChanged(before, after),
  ...primaryChanged(before, after),
  ...mirroredChanged(before, after),
];

const devicesChanged = (before: HSMDeviceStatus, after: HSMDeviceStatus): string[] =>
  (after.discoveredDevices ?? []).flatMap(({ id, nodeName, health }) => {
    const was = before.discoveredDevices?.find((one) => one.id === id);
    if (was === undefined) return [`discovery has found ${id} on ${nodeName}`];
    if (health === "Gone" && was.health !== "Gone") return [`${id} is gone from ${nodeName}`];
    return was.health === "Gone" && health !== "Gone" ? [`${id} is back on ${nodeName}`] : [];
  });

const primaryChanged = (before: HSMDeviceStatus, after: HSMDeviceStatus): string[] => {
  const { primary, epoch, unreachableSince } = after;
  if (primary === undefined) return [];
  if (primary !== before.primary) {
    return [`${primary} is the primary of epoch ${epoch} now, and takes writes in some seconds`];
  }
  if (unreachableSince === before.unreachableSince) return [];
  if (unreachableSince === undefined) return [`the primary ${primary} answers again`];
  const due = new Date(Date.parse(unreachableSince) + FAILOVER_SECONDS * 1000);
  const time = due.toISOString().slice(11, 19);
  return [
    `the primary ${primary} can't be reached: mirrors answer reads, writes wait; after ${time} UTC a mirror takes over`,
  ];
};

const mirroredChanged = (before: HSMDeviceStatus, after: HSMDeviceStatus): string[] => {
  const [was, is] = [before, after].map(({ conditions }) => conditionOf(conditions, "Mirrored"));
  if (is === undefined || (is.status === was?.status && is.message === was.message)) return [];
  return [`Mirrored is ${is.status}: ${is.message}`];
};
