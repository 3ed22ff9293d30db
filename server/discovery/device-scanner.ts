// SPDX-License-Identifier: Apache-2.0
// Scans the node's devices: a cheap look for plugs and unplugs, and a full scan after one or when it is due.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { DiscoveredDevice, DiscoveryBody } from "../discovery-api/schema.ts";
import { listUsbDevices, plugStamp } from "../usb/usb-devices.ts";
import type { DiscoveryConfig } from "./config.ts";
import { listDevicePaths } from "./device-paths.ts";
import type { Readers } from "./reader-list.ts";
import { reportUsb } from "./usb-report.ts";

export type ScannerOptions = Pick<DiscoveryConfig, "nodeName" | "sysfsRoot" | "devRoot" | "devicePaths"> & {
  /** Whether the devices are offered as resources. */
  plugin: boolean;
  readers: Readers;
  /** The devices are read anew at least this often, in milliseconds. */
  rescanEveryMs: number;
  /** Milliseconds, monotonic. */
  now: () => number;
  /** Called after each reading of all devices. */
  onScan: () => void;
};

/** An empty folder in place of what should be mounted there must not look like a node whose devices were all unplugged. */
const checkFolder = async (path: string, hint: string): Promise<void> => {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new Error(`there is no folder ${path}; ${hint}`);
};

export class DeviceScanner {
  readonly #options: ScannerOptions;
  #devices: DiscoveredDevice[] = [];
  /** Of the devices that were read; undefined before the first reading. */
  #stamp: string | undefined;
  #scannedAt = 0;

  constructor(options: ScannerOptions) {
    this.#options = options;
  }

  /** @throws where sysfs or /dev is not what it should be; what was known then is not known any more */
  async look(): Promise<DiscoveryBody> {
    const { nodeName, plugin, devRoot, devicePaths } = this.#options;
    await this.#followUsb();
    if (devicePaths.length > 0) await checkFolder(devRoot, "is the node's /dev mounted at DEV_ROOT?");
    const paths = await listDevicePaths(devRoot, devicePaths);
    return { node: nodeName, plugin, devices: this.#devices, paths };
  }

  async #followUsb(): Promise<void> {
    const { nodeName: node, plugin, sysfsRoot, readers, rescanEveryMs, now, onScan } = this.#options;
    await checkFolder(join(sysfsRoot, "bus"), "is sysfs mounted at SYSFS_ROOT?");
    const startedAt = now();
    // Before the reading, so that a plug in between is seen the next time.
    const stamp = await plugStamp(sysfsRoot);
    if (stamp === this.#stamp && startedAt - this.#scannedAt < rescanEveryMs) return;
    this.#stamp = undefined;
    this.#devices = reportUsb(await listUsbDevices(sysfsRoot), { node, readers, plugin });
    this.#stamp = stamp;
    this.#scannedAt = startedAt;
    onScan();
  }
}
