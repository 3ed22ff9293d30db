// SPDX-License-Identifier: Apache-2.0
// Finds the devices of an HSMDevice, those that are seen and those that were: only a report takes one away, never a missing one.
import type { Judgement } from "./assessment.ts";
import { type Sighting, sightingsOf } from "./matching.ts";
import type { DeviceStatus } from "./schema.ts";

/** A device and the node that has it. `silent`: its node does not report, so that it may be there or not. */
export interface Place {
  readonly id: string;
  readonly node: string;
  readonly devicePath?: string;
  readonly serialNumber?: string;
  readonly presence: "seen" | "silent" | "gone";
  /** RFC 3339; of one that is gone. */
  readonly goneSince?: string;
  readonly isPath?: true;
  /** Of one that is seen, as a report has them. */
  readonly resource?: string;
  readonly isWithheld?: true;
  /** Why no device with this id is used. */
  readonly fault?: string;
  readonly before?: DeviceStatus;
}

/** A status keeps no more devices that are gone than these; the ones that went first are forgotten first. */
const MAX_GONE = 64;

const seenAt = (sighting: Sighting, before: DeviceStatus | undefined): Place => ({
  id: sighting.id,
  node: sighting.node,
  devicePath: sighting.devicePath,
  ...(sighting.serialNumber !== undefined && { serialNumber: sighting.serialNumber }),
  ...(sighting.isPath && { isPath: true }),
  ...(sighting.resource !== undefined && { resource: sighting.resource }),
  ...(sighting.isWithheld && { isWithheld: true }),
  ...(sighting.isRepeated && { fault: repeatedText(sighting.id, [sighting.node]) }),
  presence: "seen",
  ...(before !== undefined && { before }),
});

const repeatedText = (id: string, nodes: readonly string[]): string =>
  `Several devices have the id ${id} (${nodes.join(", ")}), and none of them is used. Unplug all but one.`;

/** What the status and the agents tell of earlier: an agent is listed though somebody emptied the status. */
const knownDevices = ({ before, observed }: Judgement): DeviceStatus[] => {
  const known = before.discoveredDevices ?? [];
  const lost = [...observed.agents.values()].filter(({ id }) => !known.some((one) => one.id === id));
  return [
    ...known,
    ...lost.map(
      ({ id, node }): DeviceStatus => ({ id, nodeName: node, health: "Unknown", available: false }),
    ),
  ];
};

/** Where a device stands that no report has. Undefined: the spec does not mean it any more. */
const unseenPlace = (judgement: Judgement, known: DeviceStatus): Place | undefined => {
  const { reading, observed, context } = judgement;
  const { id, nodeName: node, devicePath, serialNumber, goneSince } = known;
  const report = reading.get(node);
  const isThere =
    report?.devices.some((device) => device.id === id) === true ||
    report?.paths.some(({ path }) => `${node}.${path}` === id) === true;
  if (isThere) return undefined;
  const kept = {
    id,
    node,
    ...(devicePath !== undefined && { devicePath }),
    ...(serialNumber !== undefined && { serialNumber }),
    before: known,
  };
  const isGone = goneSince !== undefined || report !== undefined || observed.around?.nodes.has(node) !== true;
  return isGone
    ? { ...kept, presence: "gone", goneSince: goneSince ?? context.now }
    : { ...kept, presence: "silent" };
};

/** Whether a device of a silent node counts although its id is seen elsewhere: its agent works, or both had been seen. */
const holdsOn = (
  { observed, before }: Judgement,
  held: ReadonlySet<string>,
  { id, node, presence }: Place,
): boolean => {
  if (presence !== "silent") return false;
  const agent = observed.agents.get(id);
  if (agent?.node === node) return agent.available || held.has(id);
  return (before.discoveredDevices ?? []).filter((one) => one.id === id).length > 1;
};

/** Names the places that share an id. One whose agent works on a silent node is used, and the others are not. */
const withFaults = ({ observed }: Judgement, sharing: readonly Place[]): Place[] => {
  if (sharing.length < 2) return [...sharing];
  const [first] = sharing;
  const nodes = sharing.map(({ node }) => node).sort();
  const holder = sharing.find(
    ({ id, node, presence }) => presence === "silent" && observed.agents.get(id)?.node === node,
  );
  const fault =
    holder === undefined
      ? repeatedText(first?.id ?? "", nodes)
      : `Node ${holder.node}, which discovery does not reach, has a device with this id, and its agent stays.`;
  return sharing.map((place) => (place === holder ? place : { ...place, fault }));
};

const withoutOldest = (places: readonly Place[]): Place[] => {
  const gone = places
    .filter(({ presence }) => presence === "gone")
    .sort((a, b) => ((a.goneSince ?? "") < (b.goneSince ?? "") ? 1 : -1));
  const forgotten = new Set(gone.slice(MAX_GONE));
  return places.filter((place) => !forgotten.has(place));
};

/**
 * Every device that matches or once did, by id and node. Those of `held` stay on a silent node that has their agent, though they
 * are seen elsewhere.
 */
export const placesOf = (judgement: Judgement, held: ReadonlySet<string>): Place[] => {
  const { spec, reading } = judgement;
  const known = knownDevices(judgement);
  const before = (id: string, node: string) =>
    known.find((one) => one.id === id && one.nodeName === node) ?? known.find((one) => one.id === id);
  const seen = [...reading.values()].flatMap((report) => sightingsOf(spec, report));
  const places = seen.map((sighting) => seenAt(sighting, before(sighting.id, sighting.node)));
  const isSeen = (id: string, node?: string) =>
    seen.some((one) => one.id === id && (node === undefined || one.node === node));
  for (const one of known) {
    if (isSeen(one.id, one.nodeName)) continue;
    const place = unseenPlace(judgement, one);
    if (place !== undefined && (!isSeen(one.id) || holdsOn(judgement, held, place))) places.push(place);
  }
  const ids = [...new Set(places.map(({ id }) => id))];
  return withoutOldest(
    ids.flatMap((id) =>
      withFaults(
        judgement,
        places.filter((one) => one.id === id),
      ),
    ),
  ).sort((a, b) => (a.id === b.id ? (a.node < b.node ? -1 : 1) : a.id < b.id ? -1 : 1));
};
