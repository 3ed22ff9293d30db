// SPDX-License-Identifier: Apache-2.0
// Lists the USB devices that sysfs shows on this node, and which of them are tokens of a known kind.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { UsbDevice } from "../agent-api/schema.ts";

/** Kinds of token by `vendor:product`. The Pico HSM's id changed with its firmware. */
const KNOWN: Readonly<Record<string, UsbDevice["type"]>> = {
  "20a0:4230": "PicoHSM",
  "2e8a:10fd": "PicoHSM",
  "04e6:5816": "SmartCard-HSM",
};

const USB_ID = /^[0-9a-f]{4}$/;
/** A serial number is whatever the device says; only printable ASCII of a USB string's length is passed on. */
const SERIAL = /^[\x21-\x7e][\x20-\x7e]{0,125}$/;

/** A sysfs attribute without its line end; undefined where the device does not have it or is just being removed. */
const attribute = async (directory: string, name: string): Promise<string | undefined> => {
  try {
    return (await readFile(join(directory, name), "utf8")).trimEnd();
  } catch {
    return undefined;
  }
};

const readDevice = async (root: string, bus: string): Promise<UsbDevice | undefined> => {
  const directory = join(root, bus);
  const [vendorId, productId, serial] = await Promise.all(
    ["idVendor", "idProduct", "serial"].map((name) => attribute(directory, name)),
  );
  // Interfaces stand beside devices there and have no ids.
  if (vendorId === undefined || productId === undefined) return undefined;
  if (!USB_ID.test(vendorId) || !USB_ID.test(productId)) return undefined;
  return {
    bus,
    vendorId,
    productId,
    serial: serial !== undefined && SERIAL.test(serial) ? serial : null,
    type: KNOWN[`${vendorId}:${productId}`] ?? null,
  };
};

/** The devices below `sysfsRoot`/bus/usb/devices, by bus position. None where there is no such directory. */
export const listUsbDevices = async (sysfsRoot: string): Promise<UsbDevice[]> => {
  const root = join(sysfsRoot, "bus", "usb", "devices");
  let names: string[];
  try {
    names = await readdir(root);
  } catch {
    return []; // a node without USB
  }
  const devices = await Promise.all(names.sort().map((name) => readDevice(root, name)));
  return devices.filter((device) => device !== undefined);
};
