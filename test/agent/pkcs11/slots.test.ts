// SPDX-License-Identifier: Apache-2.0
// Tests the choice among several tokens: by label, by a slot id of any size, and its messages.
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import t from "tap";
import { softhsmModule } from "../../../scripts/system-packages.ts";
import { tokenFixture, watchedStore } from "./token-fixture.ts";

t.setTimeout(590_000);

/** Bits that make a slot id larger than a number of JavaScript can hold exactly. */
const HIGH = 0x2000000000000000n;

t.test("two tokens of one label are told apart by slot ids, however large", async (t) => {
  const { token, module } = await tokenFixture(t);
  const library = softhsmModule();
  if (library === undefined) throw new Error("SoftHSM2 is not installed (package softhsm2)");
  const other = String(randomInt(10_000_000, 99_999_999));
  execFileSync(
    "softhsm2-util",
    [
      "--module",
      library,
      "--init-token",
      "--free",
      "--label",
      token.label,
      "--pin",
      other,
      "--so-pin",
      other,
    ],
    { env: { ...process.env, ...token.env }, stdio: "ignore" },
  );
  await token.putPerKey("secrets/a/db", { user: "1" });
  module.control(`slots ${HIGH.toString(16)}`);
  const open = (choice: { slot?: string }) => {
    const { label, pinFile } = token;
    const way = { module: module.module, label, pinFile, env: { ...token.env, ...module.env } };
    const store = watchedStore(way, { pkcs11: choice });
    t.teardown(() => store.close());
    return store;
  };
  const several = await open({}).read("secrets/a/db");
  if (several.kind !== "unavailable") return t.fail("one of the two was taken");
  t.match(several.message, /2 tokens have label .*PKCS11_SLOT in place of PKCS11_TOKEN_LABEL/);
  const slots = [...several.message.matchAll(/slot (\d+), serial number "([0-9a-f]+)"/g)].map(
    ([, slot]) => slot ?? "",
  );
  t.equal(slots.length, 2);
  t.ok(
    slots.every((slot) => BigInt(slot) > HIGH),
    slots.join(),
  );
  const kinds = [];
  for (const slot of slots) {
    const read = await open({ slot }).read("secrets/a/db");
    kinds.push(read.kind === "unavailable" ? read.code : read.kind);
  }
  t.same(kinds.sort(), ["PIN_INCORRECT", "found"], "each slot is a token of its own");
  const none = await open({ slot: "1" }).read("secrets/a/db");
  t.match(none, {
    code: "TOKEN_UNAVAILABLE",
    message: /no token with label "[^"]+" and slot 1 is present; the module shows .*slot \d+/,
  });
});
