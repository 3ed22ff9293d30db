// SPDX-License-Identifier: Apache-2.0
// Tests names, keys and base64 maps as Kubernetes and the agent's API have them.
import fc from "fast-check";
import t from "tap";
import {
  bytesOfBase64Map,
  fromBase64Map,
  isBase64,
  isNamespace,
  isObjectName,
  isSecretKey,
  toBase64Map,
} from "../../hooks/formats.ts";

t.test("base64 is what decoding and encoding leaves as it is", async (t) => {
  const text = fc.oneof(
    fc.base64String(),
    fc.string({ unit: fc.constantFrom(..."AQw/+=-_ \n"), maxLength: 12 }),
  );
  fc.assert(
    fc.property(text, (one) => isBase64(one) === (Buffer.from(one, "base64").toString("base64") === one)),
    { numRuns: 2000 },
  );
  t.ok(isBase64("A".repeat(16 * 1024 * 1024)), "of any length");
});

t.test("a map of values comes back as it was, whatever its keys are called", async (t) => {
  const values = new Map([
    ["__proto__", Buffer.from("a")],
    ["toString", Buffer.from([0, 255])],
    ["empty", Buffer.alloc(0)],
  ]);
  const data = toBase64Map(values);
  t.same(Object.keys(data), [...values.keys()]);
  t.same(fromBase64Map(data), values);
  t.equal(bytesOfBase64Map(data), 3);
});

t.test("a null of a patch stays one", async (t) => {
  const patch = new Map([["gone", null]]);
  t.same(toBase64Map(patch), { gone: null });
  t.same(fromBase64Map({ gone: null }), patch);
  t.equal(bytesOfBase64Map({ gone: null }), 0);
});

const NAMES: readonly [name: string, isNamespace: boolean, isObjectName: boolean, isSecretKey: boolean][] = [
  ["web", true, true, true],
  ["a".repeat(63), true, true, true],
  ["a".repeat(64), false, true, true],
  ["a".repeat(253), false, true, true],
  ["a".repeat(254), false, false, false],
  ["a.b", false, true, true],
  ["a..b", false, false, true],
  ["-a", false, false, true],
  ["A_b", false, false, true],
  [".dockerconfigjson", false, false, true],
  ["..data", false, false, false],
  [".", false, false, false],
  ["a/b", false, false, false],
  ["", false, false, false],
];

t.test("names and keys", async (t) => {
  for (const [name, ...expected] of NAMES) {
    t.same([isNamespace(name), isObjectName(name), isSecretKey(name)], expected, JSON.stringify(name));
  }
});
