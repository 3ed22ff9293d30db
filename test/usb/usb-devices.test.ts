// SPDX-License-Identifier: Apache-2.0
// Tests the reading of USB devices from sysfs, also while one is pulled out or replaced in the middle of it.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { type PluggedDevice, SysfsTree } from "../../scripts/local/sysfs-tree.ts";
import { listUsbDevices, plugStamp } from "../../server/usb/usb-devices.ts";

const treeOf = (t: Test, devices: Record<string, PluggedDevice>): SysfsTree => {
  const tree = new SysfsTree(t.testdir({}));
  for (const [port, device] of Object.entries(devices)) tree.plug(port, device);
  return tree;
};

t.test("devices and hubs are listed by port, interfaces are not", async (t) => {
  const tree = treeOf(t, { "1-2.3": { serial: "E66" }, "1-2": { bDeviceClass: "09", vendorId: "05e3" } });
  t.same(
    (await listUsbDevices(tree.root)).map(({ port, isHub }) => [port, isHub]),
    [
      ["1-2", true],
      ["1-2.3", false],
      ["usb1", true],
    ],
  );
  t.match((await listUsbDevices(tree.root))[1], {
    vendorId: "2e8a",
    productId: "10fd",
    serial: "E66",
    type: "PicoHSM",
    bus: 1,
    deviceNumber: 3,
  });
});

const serials: [sentence: string, told: string | Buffer, shown: string | null][] = [
  ["blanks at its end are the kernel's", "E66 ", "E66"],
  ["blanks inside are a part of it", "E 66", "E 66"],
  ["an empty one is none", "", null],
  ["one with a control character is none", "E\u001b[2J", null],
  ["one with a line break is none", "E\n66", null],
  ["one that is no UTF-8 is none", Buffer.from([0x45, 0xff, 0xfe]), null],
  ["one with letters beyond ASCII is none", "É66", null],
  ["one longer than a USB string is none", "E".repeat(127), null],
  ["the longest", "E".repeat(126), "E".repeat(126)],
];
for (const [sentence, told, shown] of serials) {
  t.test(`a serial number: ${sentence}`, async (t) => {
    const tree = treeOf(t, { "1-1": { serial: told } });
    t.equal((await listUsbDevices(tree.root))[0]?.serial, shown);
  });
}

/** Lists the devices, and does something when the serial number of 1-1 is just being read. */
const whileReading = async (tree: SysfsTree, happens: (folder: string) => void) => {
  const folder = tree.folder("1-1");
  const serial = join(folder, "serial");
  rmSync(serial);
  execFileSync("mkfifo", [serial]);
  const listed = listUsbDevices(tree.root);
  const writer = createWriteStream(serial);
  await once(writer, "open"); // a reader has opened it
  happens(folder);
  writer.end("E66\n");
  return (await listed).map(({ port }) => port);
};

t.test("a device that is pulled out in the middle of the reading is left out, the others stay", async (t) => {
  const tree = treeOf(t, { "1-1": { serial: "E66" }, "1-2": {} });
  t.same(await whileReading(tree, () => tree.unplug("1-1")), ["1-2", "usb1"]);
});

t.test("so is one in whose place another one is plugged: what was read may be of both", async (t) => {
  const tree = treeOf(t, { "1-1": { serial: "E66" }, "1-2": {} });
  const replace = (folder: string) => writeFileSync(join(folder, "devnum"), "77\n");
  t.same(await whileReading(tree, replace), ["1-2", "usb1"]);
});

t.test("one that stays is listed", async (t) => {
  const tree = treeOf(t, { "1-1": { serial: "E66" } });
  t.same(await whileReading(tree, () => {}), ["1-1", "usb1"]);
});

t.test("a link whose folder is gone already is no device", async (t) => {
  const tree = treeOf(t, { "1-2": {} });
  symlinkSync("../../../devices/gone", join(tree.root, "bus/usb/devices/1-1"));
  t.same(
    (await listUsbDevices(tree.root)).map(({ port }) => port),
    ["1-2", "usb1"],
  );
});

t.test(
  "the stamp changes with each plug, also of the same device at the same port, and else never",
  async (t) => {
    const tree = treeOf(t, { "1-1": { serial: "E66" } });
    const stamps = [await plugStamp(tree.root)];
    t.equal(await plugStamp(tree.root), stamps[0]);
    for (const change of [
      () => tree.plug("1-2"),
      () => tree.unplug("1-2"),
      () => {
        tree.unplug("1-1");
        tree.plug("1-1", { serial: "E66" });
      },
    ]) {
      change();
      const stamp = await plugStamp(tree.root);
      t.not(stamp, stamps.at(-1));
      stamps.push(stamp);
    }
  },
);

t.test("a node without USB has no devices", async (t) => {
  const root = t.testdir({ bus: {} });
  t.same(await listUsbDevices(root), []);
  t.equal(await plugStamp(root), "");
});
