// SPDX-License-Identifier: Apache-2.0
// Tests the ids of devices, their types, and devices that share an id.
import t from "tap";
import { reportUsb } from "../../server/discovery/usb-report.ts";
import type { UsbDevice } from "../../server/usb/usb-devices.ts";

const device = (over: Partial<UsbDevice> = {}): UsbDevice => ({
  port: "1-2",
  vendorId: "2e8a",
  productId: "10fd",
  serial: "E66",
  type: "PicoHSM",
  isHub: false,
  bus: 1,
  deviceNumber: 7,
  ...over,
});
const readers = new Map([
  ["076b:3031", "OMNIKEY CardMan"],
  ["04e6:5816", "SCM SCR 35xx"],
]);
const report = (devices: UsbDevice[], node = "node-a") =>
  reportUsb(devices, { node, readers, plugin: false });

t.test("a device with a serial number", async (t) => {
  t.same(report([device()]), [
    {
      id: "E66",
      node: "node-a",
      port: "1-2",
      deviceNumber: 7,
      devicePath: "bus/usb/001/007",
      vendorId: "2e8a",
      productId: "10fd",
      serialNumber: "E66",
      type: "PicoHSM",
      name: null,
      fault: null,
      resource: null,
    },
  ]);
});

t.test(
  "it keeps its id at another port and under another number; one without serial number keeps it at its port",
  async (t) => {
    const ids = (over: Partial<UsbDevice>) => report([device(over)]).map(({ id }) => id);
    t.same(ids({ port: "3-1.4", deviceNumber: 120 }), ["E66"]);
    t.same(ids({ serial: null }), ["node-a.1-2"]);
    t.same(ids({ serial: null, deviceNumber: 120 }), ["node-a.1-2"]);
    t.same(ids({ serial: null, port: "1-2.3" }), ["node-a.1-2.3"]);
  },
);

t.test("no two pairs of node and port have one id", async (t) => {
  const pairs = ["n", "n.1-2", "n.1", "n-1", "1-2"].flatMap((node) =>
    ["1-2", "1-2.3", "3-1", "1-2.3.1"].flatMap((port) =>
      report([device({ serial: null, port })], node).map(({ id }) => id),
    ),
  );
  t.equal(new Set(pairs).size, 20);
});

t.test("types: known ids go before libccid's list, whose name is told in any case", async (t) => {
  const typed = (over: Partial<UsbDevice>) => report([device(over)]).map(({ type, name }) => [type, name]);
  t.same(typed({ vendorId: "04e6", productId: "5816", type: "SmartCard-HSM" }), [
    ["SmartCard-HSM", "SCM SCR 35xx"],
  ]);
  t.same(typed({ vendorId: "076b", productId: "3031", type: null }), [["Generic", "OMNIKEY CardMan"]]);
  t.same(typed({ vendorId: "046d", productId: "c31c", type: null }), [[null, null]]);
});

t.test("hubs, and what has no port or number, are not reported", async (t) => {
  t.same(
    report([device({ isHub: true }), device({ port: "usb1" }), device({ bus: undefined })]).concat(
      report([device({ deviceNumber: undefined }), device({ port: "../1-2" })]),
    ),
    [],
  );
});

t.test(
  "of devices with one serial number all are marked, whatever else they are; the others are not",
  async (t) => {
    const faults = report([
      device(),
      device({ port: "1-3", serial: "E77" }),
      device({ port: "1-4", vendorId: "04e6", productId: "5816" }),
      device({ port: "1-5", serial: null }),
      device({ port: "1-6", serial: null }),
    ]).map(({ port, fault }) => [port, fault]);
    t.same(faults, [
      ["1-2", "duplicate serial"],
      ["1-3", null],
      ["1-4", "duplicate serial"],
      ["1-5", null],
      ["1-6", null],
    ]);
  },
);

t.test("a serial number that is made up to be another device's id marks both", async (t) => {
  const forged = report([device({ serial: null }), device({ port: "1-3", serial: "node-a.1-2" })]);
  t.same(
    forged.map(({ fault }) => fault),
    ["duplicate serial", "duplicate serial"],
  );
});
