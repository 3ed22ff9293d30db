// SPDX-License-Identifier: Apache-2.0
// Lists the USB devices that sysfs shows on this node, and which of them are tokens of a known kind.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

type KnownType = "PicoHSM" | "SmartCard-HSM";

/** Kinds of token by `vendor:product`. The Pico HSM's id changed with its firmware. */
const KNOWN: ReadonlyMap<string, KnownType> = new Map([
  ["20a0:4230", "PicoHSM"],
  ["2e8a:10fd", "PicoHSM"],
  ["04e6:5816", "SmartCard-HSM"],
]);

export type UsbDevice = {
  /** Bus and port chain, such as `1-2.3`; `usb1` for a root hub. */
  port: string;
  /** Four hexadecimal digits in lower case, as is the next one. */
  vendorId: string;
  productId: string;
  serial: string | null;
  /** Set for the kinds of token that are known by their ids. */
  type: KnownType | null;
  isHub: boolean;
  /** `busnum` and `devnum`: the device number is another one after every plug. */
  bus: number | undefined;
  deviceNumber: number | undefined;
};

const USB_ID = /^[0-9a-f]{4}$/;
/** A serial number is whatever the device says; only printable ASCII of a USB string's length is passed on. */
const SERIAL = /^[\x21-\x7e][\x20-\x7e]{0,125}$/;
/** Interfaces stand beside devices there, as `1-2:1.0`. */
const DEVICE = /^[^:]+$/;
/** bDeviceClass of a hub (USB 2.0, section 11.23.1). */
const HUB_CLASS = "09";

/** What a file or folder of a device that is just being removed is answered with. */
const isGone = (error: unknown): boolean =>
  error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR", "ENODEV"].includes(String(error.code));

/** A sysfs attribute without its line end; undefined where the device does not have it or is just being removed. */
const attribute = async (directory: string, name: string): Promise<string | undefined> => {
  try {
    return (await readFile(join(directory, name), "utf8")).trimEnd();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
};

const count = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined;

/** Undefined for what is no device, and for one that is removed or replaced meanwhile. */
const readDevice = async (root: string, port: string): Promise<UsbDevice | undefined> => {
  const directory = join(root, port);
  const before = await attribute(directory, "devnum");
  const [vendorId, productId, serial, deviceClass, bus] = await Promise.all(
    ["idVendor", "idProduct", "serial", "bDeviceClass", "busnum"].map((name) => attribute(directory, name)),
  );
  if (vendorId === undefined || productId === undefined) return undefined;
  if (!USB_ID.test(vendorId) || !USB_ID.test(productId)) return undefined;
  // What was read in between may be of two devices, or lack the serial number of one that went.
  if ((await attribute(directory, "devnum")) !== before) return undefined;
  return {
    port,
    vendorId,
    productId,
    serial: serial !== undefined && SERIAL.test(serial) ? serial : null,
    type: KNOWN.get(`${vendorId}:${productId}`) ?? null,
    isHub: deviceClass === HUB_CLASS,
    bus: count(bus),
    deviceNumber: count(before),
  };
};

const folderOf = (sysfsRoot: string): string => join(sysfsRoot, "bus", "usb", "devices");

/** The ports with something in them, in their order. None where there is no such folder: a node without USB. */
const portsOf = async (sysfsRoot: string): Promise<string[]> => {
  try {
    return (await readdir(folderOf(sysfsRoot))).filter((name) => DEVICE.test(name)).sort();
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
};

/**
 * The devices below `sysfsRoot`/bus/usb/devices, by port. One that is removed meanwhile is left out.
 * @throws Node's error where something that is there can't be read
 */
export const listUsbDevices = async (sysfsRoot: string): Promise<UsbDevice[]> => {
  const ports = await portsOf(sysfsRoot);
  const devices = await Promise.all(ports.map((port) => readDevice(folderOf(sysfsRoot), port)));
  return devices.filter((device) => device !== undefined);
};

/** A text that is another one after every plug and unplug, for a listing and one small file of each device. */
export const plugStamp = async (sysfsRoot: string): Promise<string> => {
  const ports = await portsOf(sysfsRoot);
  const numbers = await Promise.all(
    ports.map((port) => attribute(join(folderOf(sysfsRoot), port), "devnum")),
  );
  return ports.map((port, index) => `${port}=${numbers[index] ?? ""}`).join(" ");
};
