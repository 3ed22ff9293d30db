// SPDX-License-Identifier: Apache-2.0
// Tests the change of the token's PIN: only with the current PIN, without spending a try, and the old one is never tried again.
import { randomInt } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import t from "tap";
import { healthOf } from "./blank-fixture.ts";
import { someKeys } from "./kill-points.ts";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);

const newPin = (): string => String(randomInt(10_000_000, 99_999_999));

t.test("a PIN is changed, and the PIN file follows", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  const store = openStore();
  await store.change("secrets/a/b", { type: "put", data: someKeys(["x"]) });
  const next = newPin();
  module.forgetCalls();
  t.match(await store.setPin(newPin(), next), { kind: "mismatch" });
  t.equal(module.calls("C_SetPIN"), 0, "a wrong PIN costs no try");
  t.match(await store.setPin(token.pin, "123"), { kind: "refused", message: /CKR_PIN_LEN_RANGE/ });
  t.match(await store.setPin(token.pin, next), { kind: "changed" });
  t.match(await store.read("secrets/a/b"), { kind: "found" }, "the agent goes on");
  t.match(
    await store.setPin(token.pin, newPin()),
    { kind: "mismatch" },
    "the old one is no longer the current one",
  );

  module.forgetCalls();
  module.control("crash C_GetAttributeValue segv 1");
  const down = store.healthIs(false);
  await store.read("secrets/a/b");
  await down;
  t.match(await store.read("secrets/a/b"), { kind: "found" }, "the file still has the old PIN");
  t.equal(module.calls("C_Login"), 1, "which is not tried: the agent knows the new one");
  await store.close();
  const unaware = openStore();
  await healthOf(unaware, /^PIN_INCORRECT/);
  writeFileSync(token.pinFile, `${next}\n`);
  await healthOf(unaware, "ready");
  t.equal(module.calls("C_Login"), 3, "one that was started with the old file has tried it once");
});

t.test("the file counts again as soon as it is written, whatever was in it", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  const store = openStore({ pkcs11: { ownPinFile: `${token.pinFile}.own` } });
  await store.info();
  const [second, third] = [newPin(), newPin()];
  // As a kubelet may do at any time: what counts is the file at the time of the change.
  writeFileSync(`${token.pinFile}.new`, `${token.pin}\n`);
  renameSync(`${token.pinFile}.new`, token.pinFile);
  t.match(await store.setPin(token.pin, second), { kind: "changed" });
  t.match(await store.setPin(second, third), { kind: "changed" }, "twice, and the file has the first");
  module.control("crash C_GetAttributeValue segv 1");
  await store.list("secrets/");
  module.control();
  await store.refresh();
  t.match(await store.setPin(third, third), { kind: "changed" });
  t.equal(module.calls("C_SetPIN"), 2, "the same PIN is compared, and not set");
  writeFileSync(token.pinFile, `${newPin()}\n`);
  module.control("crash C_FindObjectsInit segv 1");
  await store.refresh();
  module.control();
  await healthOf(store, /^PIN_INCORRECT/);
  writeFileSync(`${token.pinFile}.own`, `${third}\n`);
  await healthOf(store, "ready");
  await store.close();
  const restarted = openStore({ pkcs11: { ownPinFile: `${token.pinFile}.own` } });
  await healthOf(restarted, "ready");
});

t.test(
  "three PINs that are not the one in use are compared, and then none, not even the right one",
  async (t) => {
    const { token, module, openStore } = await tokenFixture(t);
    const store = openStore();
    await store.read("secrets/a/b");
    module.control("flags 20000");
    t.match(await store.setPin(newPin(), newPin()), { code: "PIN_LOCKED" }, "none while one try is left");
    t.match(await store.setPin(token.pin, newPin()), { code: "PIN_LOCKED" });
    module.control();
    for (let n = 0; n < 3; n += 1) t.match(await store.setPin(newPin(), newPin()), { kind: "mismatch" });
    module.forgetCalls();
    const withheld = { kind: "withheld", retryAfterSeconds: 3600 };
    t.same(await store.setPin(newPin(), newPin()), withheld);
    t.same(await store.setPin(token.pin, newPin()), withheld);
    t.equal(module.calls("C_SetPIN"), 0);
    t.match(await store.read("secrets/a/b"), { kind: "absent" }, "the agent goes on");
  },
);

t.test("a change of the PIN that the token refuses leaves the child as it is", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  const store = openStore();
  await store.read("secrets/a/b");
  module.forgetCalls();
  for (const [value, name] of [
    ["0x54", "CKR_FUNCTION_NOT_SUPPORTED"],
    ["0xa1", "CKR_PIN_INVALID"],
    ["0xa2", "CKR_PIN_LEN_RANGE"],
    ["0xb5", "CKR_SESSION_READ_ONLY"],
    ["0xe2", "CKR_TOKEN_WRITE_PROTECTED"],
  ] as const) {
    module.control(`fail C_SetPIN ${value}`);
    const refused = await store.setPin(token.pin, newPin());
    t.match(refused, { kind: "refused", message: new RegExp(name) });
  }
  module.control();
  t.match(await store.setPin(token.pin, newPin()), { kind: "changed" }, "no try was counted");
  t.equal(module.calls("C_Login"), 0);
  t.same(store.starts, ["start"]);
});

t.test("a change of the PIN in which the module fails is the end of the child", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  const store = openStore({ operationTimeoutMs: 8_000 });
  await store.read("secrets/a/b");
  const failures = [
    ["fail C_SetPIN 0x05 1", "the token failed while its PIN was changed; try both PINs with care"],
    ["fail C_SetPIN 0x06 1", "the token failed while its PIN was changed; try both PINs with care"],
    ["fail C_SetPIN 0x30 1", "the token failed while its PIN was changed; try both PINs with care"],
    ["fail C_SetPIN 0xb3 1", "the token failed while its PIN was changed; try both PINs with care"],
    ["hang C_SetPIN 1", "the token did not answer a setPin in time"],
  ] as const;
  for (const [line, message] of failures) {
    module.control(line);
    module.forgetCalls();
    const down = store.healthIs(false);
    const failed = await store.setPin(token.pin, newPin());
    t.match(failed, { kind: "unavailable", message }, line);
    await down;
    t.match(await store.read("secrets/a/b"), { kind: "absent" }, "the next child serves");
    t.ok(module.calls("C_Login") > 0, "and has logged in");
  }
});
