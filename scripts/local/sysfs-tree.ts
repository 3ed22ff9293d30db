// SPDX-License-Identifier: Apache-2.0
// Makes up a sysfs with USB devices as the kernel shows them: folders below devices/, and links to them below bus/usb/devices.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type PluggedDevice = {
  vendorId?: string;
  productId?: string;
  /** None, unless it is given. */
  serial?: string | Buffer;
  bDeviceClass?: string;
};

const CONTROLLER = "pci0000:00/0000:00:14.0/usb1";

export class SysfsTree {
  readonly root: string;
  #deviceNumber = 1;

  /** With a root hub, below a folder that is there. */
  constructor(root: string) {
    this.root = root;
    mkdirSync(join(root, "bus/usb/devices"), { recursive: true });
    this.#write("usb1", { vendorId: "1d6b", productId: "0002", serial: "0000:00:14.0", bDeviceClass: "09" });
    this.#link("usb1", CONTROLLER);
  }

  folder(port: string): string {
    return port === "usb1"
      ? join(this.root, "devices", CONTROLLER)
      : join(this.root, "devices", CONTROLLER, port);
  }

  /** As the kernel does it, the files are there before the link. Gives the device number. */
  plug(port: string, device: PluggedDevice = {}): number {
    this.#write(port, device);
    mkdirSync(join(this.folder(port), `${port}:1.0`));
    writeFileSync(join(this.folder(port), `${port}:1.0`, "bInterfaceClass"), "0b\n");
    this.#link(port, join(CONTROLLER, port));
    this.#link(`${port}:1.0`, join(CONTROLLER, port, `${port}:1.0`));
    return this.#deviceNumber;
  }

  unplug(port: string): void {
    for (const name of [`${port}:1.0`, port]) rmSync(join(this.root, "bus/usb/devices", name));
    rmSync(this.folder(port), { recursive: true });
  }

  #link(name: string, device: string): void {
    symlinkSync(join("../../../devices", device), join(this.root, "bus/usb/devices", name));
  }

  #write(port: string, device: PluggedDevice): void {
    const { vendorId = "2e8a", productId = "10fd", serial, bDeviceClass = "00" } = device;
    this.#deviceNumber += 1;
    mkdirSync(this.folder(port), { recursive: true });
    const files = {
      idVendor: vendorId,
      idProduct: productId,
      bDeviceClass,
      busnum: /\d+/.exec(port)?.[0] ?? "1",
      devnum: String(this.#deviceNumber),
    };
    for (const [name, value] of Object.entries(files)) {
      writeFileSync(join(this.folder(port), name), `${value}\n`);
    }
    if (serial !== undefined) {
      writeFileSync(
        join(this.folder(port), "serial"),
        Buffer.concat([Buffer.from(serial), Buffer.from("\n")]),
      );
    }
  }
}
