// SPDX-License-Identifier: Apache-2.0
// Matches what discovery reported against an HSMDevice's spec.
import type { NodeReport, ReportedDevice } from "./reading.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

/** A device that discovery sees now. */
export interface Sighting {
  readonly id: string;
  readonly node: string;
  readonly devicePath: string;
  readonly serialNumber?: string;
  /** The extended resource by which a container gets it; without a device plugin a privileged one takes it. */
  readonly resource?: string;
  /** The device plugin of its node does not offer it. */
  readonly isWithheld?: true;
  /** A file that a path matches: without a device plugin no container can open it. */
  readonly isPath?: true;
  /** Others of its node have the same id. */
  readonly isRepeated?: true;
}

const isMatch = (spec: ResolvedSpec, device: ReportedDevice): boolean =>
  (spec.autoDiscovery && device.type === spec.deviceType) ||
  spec.usb.some(
    ({ vendorId, productId, serialNumber }) =>
      vendorId === device.vendorId &&
      productId === device.productId &&
      (serialNumber === undefined || serialNumber === device.serialNumber),
  );

const usbSightings = (spec: ResolvedSpec, { node, plugin, devices }: NodeReport): Sighting[] =>
  devices
    .filter((device) => isMatch(spec, device))
    .map(({ id, devicePath, serialNumber, fault, resource }) => ({
      id,
      node,
      devicePath,
      ...(serialNumber !== null && { serialNumber }),
      ...(resource !== null && { resource }),
      ...(plugin && resource === null && { isWithheld: true }),
      ...(fault !== null && { isRepeated: true }),
    }));

const pathSightings = ({ devicePath }: ResolvedSpec, { node, paths }: NodeReport): Sighting[] =>
  paths.flatMap(({ path, permissions }): Sighting[] => {
    if (devicePath === undefined || !devicePath.path.test(path)) return [];
    if (devicePath.permissions !== undefined && devicePath.permissions !== permissions) return [];
    return [{ id: `${node}.${path}`, node, devicePath: path, isPath: true }];
  });

/** The devices of `report` that match, one for each id. */
export const sightingsOf = (spec: ResolvedSpec, report: NodeReport): Sighting[] => {
  const byId = new Map<string, Sighting>();
  for (const sighting of [...usbSightings(spec, report), ...pathSightings(spec, report)]) {
    const first = byId.get(sighting.id);
    byId.set(sighting.id, first === undefined ? sighting : { ...first, isRepeated: true });
  }
  return [...byId.values()];
};
