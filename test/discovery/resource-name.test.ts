// SPDX-License-Identifier: Apache-2.0
// Tests the names of devices' resources: Kubernetes takes each, and no two devices have one.
import fc from "fast-check";
import t from "tap";
import { deviceIdOf, resourceOf } from "../../server/discovery/resource-name.ts";

type Type = "PicoHSM" | "SmartCard-HSM" | "Generic";
const nameOf = (type: Type, id: string): string => resourceOf({ type, id, fault: null }) ?? "";

/** k8s.io/apimachinery, validation.IsQualifiedName, in lower case alone. */
const QUALIFIED = /^hsm\.j5t\.io\/[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;

t.test("an id that can stay stays", async (t) => {
  t.equal(nameOf("PicoHSM", "e66160f423"), "hsm.j5t.io/picohsm-e66160f423");
  t.equal(nameOf("Generic", "node-a.1-3.1"), "hsm.j5t.io/generic-node-a.1-3.1");
  t.equal(nameOf("SmartCard-HSM", "x".repeat(49)), `hsm.j5t.io/smartcard-hsm-${"x".repeat(49)}`);
  t.equal(deviceIdOf(nameOf("PicoHSM", "e66")), "picohsm-e66");
});

const D = "-[0-9a-f]{20}$";
for (const [what, id, name] of [
  ["capitals", "E66160F4", `^hsm.j5t.io/picohsm-e66160f4${D}`],
  ["other characters", "DENK 01/02", `^hsm.j5t.io/picohsm-denk-01-02${D}`],
  ["none that can stay", "___", "^hsm.j5t.io/picohsm-[0-9a-f]{20}$"],
  ["a dot at its end", "e66.", `^hsm.j5t.io/picohsm-e66${D}`],
  ["126 characters", "e".repeat(126), `^hsm.j5t.io/picohsm-e{34}${D}`],
  ["the look of a digest", `e-${"0".repeat(20)}`, `^hsm.j5t.io/picohsm-e-0{20}${D}`],
  ["the look of a digest alone", "0".repeat(20), `^hsm.j5t.io/picohsm-0{20}${D}`],
] as const) {
  t.test(`an id with ${what} gets a digest`, async (t) => t.match(nameOf("PicoHSM", id), new RegExp(name)));
}

t.test("no known kind of token and a shared id have no resource", async (t) => {
  t.equal(resourceOf({ type: null, id: "e66", fault: null }), null);
  t.equal(resourceOf({ type: "PicoHSM", id: "e66", fault: "duplicate serial" }), null);
});

const type = fc.constantFrom<Type>("PicoHSM", "SmartCard-HSM", "Generic");
/** What server/usb takes of a serial number, or an id of node and port. */
const id = fc.oneof(
  fc.stringMatching(/^[\x21-\x7e][\x20-\x7e]{0,125}$/),
  fc.stringMatching(/^[aA_.-]{1,6}$/),
  fc.stringMatching(/^a{0,60}-[0a]{20}$/),
  fc.stringMatching(/^[a-z0-9-]{1,63}\.\d-\d(\.\d){0,6}$/),
);

t.test("Kubernetes takes the name of any device", async () => {
  fc.assert(fc.property(type, id, (of, one) => QUALIFIED.test(nameOf(of, one))));
});

t.test("two devices differ in their names", async () => {
  const device = fc.record({ of: type, one: id });
  fc.assert(
    fc.property(fc.uniqueArray(device, { selector: ({ of, one }) => `${of} ${one}` }), (devices) => {
      const names = devices.map(({ of, one }) => nameOf(of, one));
      return new Set(names).size === names.length;
    }),
    { numRuns: 500 },
  );
});

t.test("a device can't take another's name by a serial number made for it", async () => {
  fc.assert(
    fc.property(type, id, (of, one) => {
      const taken = nameOf(of, one).split("/")[1]?.slice(`${of}-`.length) ?? "";
      return taken === one || nameOf(of, taken) !== nameOf(of, one);
    }),
  );
});
