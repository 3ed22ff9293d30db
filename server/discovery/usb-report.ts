// SPDX-License-Identifier: Apache-2.0
// Reports USB devices with ids that outlive a plug, and marks those that share an id.
import type { DiscoveredDevice } from "../discovery-api/schema.ts";
import type { UsbDevice } from "../usb/usb-devices.ts";
import type { Readers } from "./reader-list.ts";
import { resourceOf } from "./resource-name.ts";

/** linux/Documentation/ABI/stable/sysfs-bus-usb: bus, then a port for each hub on the way. */
const PORT = /^\d+-\d+(\.\d+)*$/;

const inThreeDigits = (number: number): string => String(number).padStart(3, "0");

/** Undefined for hubs, and for what sysfs does not tell enough of. */
const describe = (device: UsbDevice, node: string, readers: Readers): DiscoveredDevice | undefined => {
  const { port, bus, deviceNumber, vendorId, productId, serial, isHub } = device;
  if (isHub || bus === undefined || deviceNumber === undefined || !PORT.test(port)) return undefined;
  const name = readers.get(`${vendorId}:${productId}`);
  return {
    // A port has no dash but the one after its bus, so that no two pairs of node and port come to the same.
    id: serial ?? `${node}.${port}`,
    node,
    port,
    deviceNumber,
    devicePath: `bus/usb/${inThreeDigits(bus)}/${inThreeDigits(deviceNumber)}`,
    vendorId,
    productId,
    serialNumber: serial,
    type: device.type ?? (name === undefined ? null : "Generic"),
    name: name ?? null,
    fault: null,
    resource: null,
  };
};

/**
 * The devices, in the order given. Of those with one id all are marked: nothing here chooses between them. With a `plugin` they have
 * the resources that it offers.
 */
export const reportUsb = (
  devices: readonly UsbDevice[],
  { node, readers, plugin }: { node: string; readers: Readers; plugin: boolean },
): DiscoveredDevice[] => {
  const found = devices.flatMap((device) => describe(device, node, readers) ?? []);
  const times = new Map<string, number>();
  for (const { id } of found) times.set(id, (times.get(id) ?? 0) + 1);
  return found
    .map(
      (device): DiscoveredDevice =>
        (times.get(device.id) ?? 0) > 1 ? { ...device, fault: "duplicate serial" } : device,
    )
    .map((device) => (plugin ? { ...device, resource: resourceOf(device) } : device));
};
