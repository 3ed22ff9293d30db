// SPDX-License-Identifier: Apache-2.0
// Tests which HSMDevices, and which changes of one, the API server takes.
import t from "tap";
import { definitionFaults } from "../../scripts/control-plane/api/validation/definition-validation.ts";
import { ruleFaults } from "../../scripts/control-plane/api/validation/rule-validation.ts";
import { schemaFaults } from "../../scripts/control-plane/api/validation/schema-validation.ts";
import { CRDS } from "../../scripts/crd.ts";

const definition = JSON.parse(JSON.stringify(CRDS["hsmdevice/hsmdevices.yaml"]));
const schema = definition.spec.versions[0].schema.openAPIV3Schema;

const pinSecret = { name: "pin" };
const least = { deviceType: "PicoHSM", pkcs11: { pinSecret } };
const usb = [{ vendorId: "2e8a", productId: "10fd" }];
const labelled = (tokenLabel: string) => ({ ...least, pkcs11: { pinSecret, tokenLabel } });
const provisioned = (token: object) => ({ ...least, pkcs11: { pinSecret, autoProvision: true, ...token } });

const mirrored = (mirroring: object) => ({ ...least, mirroring: { policy: "Active", ...mirroring } });

const object = (spec: object) => ({
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMDevice",
  metadata: { name: "hsm", namespace: "keyswitch" },
  spec: JSON.parse(JSON.stringify(spec)),
});

const faultsOf = (spec: object, before?: object): string =>
  JSON.stringify([
    ...schemaFaults(object(spec), schema, ""),
    ...ruleFaults(schema, object(spec), before && object(before)),
  ]);

t.test("the definition is one that the API server takes", async (t) => {
  t.same(definitionFaults(definition, undefined), []);
});

const taken: [name: string, spec: object, before?: object][] = [
  ["type and PIN are enough", least],
  ["devices by their USB ids", { ...least, discovery: { usb } }],
  [
    "devices by a path, without autoDiscovery",
    { ...least, discovery: { devicePath: { path: "ttyACM*" }, autoDiscovery: false } },
  ],
  ["a token by its slot", { ...least, pkcs11: { pinSecret, slotId: 3 } }],
  ["a label where there was none", labelled("store"), least],
  ["mirroring, by its policy alone", { ...least, mirroring: { policy: "ReadOnly" } }],
  [
    "mirroring with all that it has",
    {
      ...least,
      mirroring: {
        policy: "Active",
        syncInterval: 5,
        targetNodes: ["b", "c"],
        primaryNode: "a",
        autoFailover: false,
        acknowledge: "Mirror",
      },
    },
  ],
  ["mirroring that is off, as the system before had it", { ...least, mirroring: { primaryNode: "a" } }],
  ["another primary than before", mirrored({ primaryNode: "b" }), mirrored({ primaryNode: "a" })],
  ["blank tokens set up with a label", provisioned({ tokenLabel: "store" })],
  ["no blank tokens set up", { ...least, pkcs11: { pinSecret, autoProvision: false } }],
  ["other devices than before", { ...least, discovery: { usb } }, least],
];
for (const [name, spec, before] of taken) {
  t.test(`it takes: ${name}`, async (t) => t.equal(faultsOf(spec, before), "[]"));
}

const refused: [name: string, fault: RegExp, spec: object, before?: object][] = [
  ["no PIN", /pkcs11/, { deviceType: "PicoHSM" }],
  ["a type that there is not", /deviceType/, { ...least, deviceType: "Other" }],
  ["another type than before", /deviceType can't change/, { ...least, deviceType: "Generic" }, least],
  ["no way to find a device", /no device would match/, { ...least, discovery: { autoDiscovery: false } }],
  ["a slot and a label", /not both/, { ...least, pkcs11: { pinSecret, slotId: 0, tokenLabel: "store" } }],
  ["another label than before", /tokenLabel can't change/, labelled("other"), labelled("store")],
  ["a label taken away", /tokenLabel can't change/, least, labelled("store")],
  [
    "a USB id that is none",
    /vendorId/,
    { ...least, discovery: { usb: [{ vendorId: "2e8", productId: "10fd" }] } },
  ],
  ["blank tokens set up without a label", /autoProvision needs tokenLabel/, provisioned({})],
  ["no device at all", /maxDevices/, { ...least, maxDevices: 0 }],
  ["a policy that there is not", /policy/, mirrored({ policy: "Both" })],
  ["an interval that is too short", /syncInterval/, mirrored({ syncInterval: 4 })],
  ["one node twice", /targetNodes/, mirrored({ targetNodes: ["a", "a"] })],
  ["no node at all", /targetNodes/, mirrored({ targetNodes: [] })],
  ["a node that can have no such name", /primaryNode/, mirrored({ primaryNode: "A b" })],
  [
    "an acknowledgement by mirrors that there are not",
    /needs the policy/,
    { ...least, mirroring: { acknowledge: "Mirror" } },
  ],
];
for (const [name, fault, spec, before] of refused) {
  t.test(`it refuses: ${name}`, async (t) => t.match(faultsOf(spec, before), fault));
}
