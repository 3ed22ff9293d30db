// SPDX-License-Identifier: Apache-2.0
// Sums the devices up: an HSMDevice's phase, its reason, and what to do.
import type { Judgement } from "./assessment.ts";
import type { Decision } from "./decide.ts";
import { serviceName } from "./names.ts";
import type { Finding } from "./next-status.ts";
import type { Surroundings } from "./observed.ts";
import type { DeviceStatus, Health } from "./schema.ts";

const MAX_NAMES = 5;

const namesOf = (names: readonly string[]): string =>
  names.length > MAX_NAMES
    ? `${names.slice(0, MAX_NAMES).join(", ")} and ${names.length - MAX_NAMES} more`
    : names.join(", ");

/** Selected nodes that did not report, of those that matter: with a device, or all while none is known. */
const silentText = (
  { reading }: Judgement,
  around: Surroundings,
  devices: readonly DeviceStatus[],
): string => {
  const withDevice = new Set(devices.map(({ nodeName }) => nodeName));
  const silent = [...around.nodes.keys()].filter(
    (node) => !reading.has(node) && (devices.length === 0 || withDevice.has(node)),
  );
  return silent.length === 0
    ? ""
    : ` No report of discovery from ${namesOf(silent.sort())}: what is known of it stays.`;
};

const foreignText = ({ parent }: Judgement, { foreign }: Surroundings): string => {
  const name = serviceName(parent);
  const kinds = ["Service", "NetworkPolicy"].filter((kind) => foreign.has(`${kind}/${name}`));
  return kinds.length === 0
    ? ""
    : ` There is a ${kinds.join(" and a ")} ${name} that this HSMDevice did not make. Delete or rename it.`;
};

const WORDS: readonly (readonly [Health, string])[] = [
  ["Starting", "starting"],
  ["Unhealthy", "not available (kubectl describe deployment says why)"],
  ["Gone", "gone"],
  ["Unknown", "unknown"],
  ["Unused", "not used"],
];

const countsText = (devices: readonly DeviceStatus[]): string => {
  const available = devices.filter((device) => device.available).length;
  const parts = WORDS.flatMap(([health, words]) => {
    const ids = devices.filter((device) => device.health === health).map(({ id }) => id);
    return ids.length === 0 ? [] : [`${words}: ${namesOf([...new Set(ids)])}`];
  });
  return `${available} of ${devices.length} devices available${parts.length === 0 ? "" : `; ${parts.join("; ")}`}.`;
};

const none = (around: Surroundings): Pick<Finding, "phase" | "reason" | "message" | "stuck"> => {
  const said = (reason: string, message: string) =>
    ({ phase: "Pending", reason, message, stuck: false }) as const;
  if (!around.hasDiscovery) {
    return said(
      "NoDiscovery",
      "There is no discovery in this namespace. An HSMDevice belongs in the namespace of manifests/discovery.",
    );
  }
  if (around.nodes.size === 0) return said("NoNode", "spec.nodeSelector selects no node.");
  return said("NoDevice", "No device matches. kubectl hsm devices shows what discovery sees.");
};

/** What the devices come to. */
export const findingOf = (
  judgement: Judgement,
  around: Surroundings,
  decisions: readonly Decision[],
  devices: readonly DeviceStatus[],
): Finding => {
  const rest = `${silentText(judgement, around, devices)}${foreignText(judgement, around)}`;
  if (devices.length === 0) {
    const finding = none(around);
    return { ...finding, message: `${finding.message}${rest}`, devices };
  }
  const has = (...healths: readonly Health[]) => devices.some(({ health }) => healths.includes(health));
  const isForeign = foreignText(judgement, around) !== "";
  const isFaulty = isForeign || decisions.some(({ place }) => place.fault !== undefined);
  const message = `${countsText(devices)}${rest}`;
  const moving = has("Starting", "Unknown");
  if (has("Healthy")) {
    const whole = !isFaulty && !moving && !has("Unhealthy", "Gone");
    return whole
      ? { phase: "Ready", reason: "AllAvailable", message, stuck: false, devices }
      : { phase: "Partial", reason: "SomeUnavailable", message, stuck: !moving, devices };
  }
  return moving
    ? { phase: "Pending", reason: "Starting", message, stuck: false, devices }
    : { phase: "Error", reason: "NoneAvailable", message, stuck: true, devices };
};
