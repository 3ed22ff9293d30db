// SPDX-License-Identifier: Apache-2.0
// Tests the module's return values: they make a secret unavailable, never absent.
import t from "tap";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);
const PATH = "secrets/a/db";

/** Return values of the module, each once, at a read of PATH or of an absent path, which searches the token; none may ever look like an absent secret. */
const failures: [what: string, call: string, value: string, path?: string][] = [
  ["the device was removed", "C_GetAttributeValue", "0x32"],
  ["the device failed", "C_GetAttributeValue", "0x30"],
  ["the session is gone", "C_GetAttributeValue", "0xb3"],
  ["the login is gone", "C_GetAttributeValue", "0x101"],
  ["a value that nobody knows", "C_GetAttributeValue", "0x80001234"],
  ["an object's name can't be read", "C_GetAttributeValue", "0x30", "secrets/a/absent"],
  ["the search can't begin", "C_FindObjectsInit", "0x32", "secrets/a/absent"],
  ["the search breaks off", "C_FindObjects", "0x30", "secrets/a/absent"],
  ["the search can't end", "C_FindObjectsFinal", "0x05", "secrets/a/absent"],
];
t.test("errors of the module are TOKEN_UNAVAILABLE, and the next call succeeds", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  const store = openStore();
  for (const [what, call, value, path = PATH] of failures) {
    await store.read(PATH);
    module.control(`fail ${call} ${value} 1`);
    const failed = await store.read(path);
    t.match(failed, { kind: "unavailable", code: "TOKEN_UNAVAILABLE" }, what);
    t.equal((await store.read(path)).kind, path === PATH ? "found" : "absent", "then it is read");
  }
});

t.test("a handle that went stale is looked up again", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  const store = openStore();
  await store.read(PATH);
  module.control("fail C_GetAttributeValue 0x82 1");
  t.equal((await store.read(PATH)).kind, "found");
  t.same(store.starts, ["start"], "without another child");
});

t.test("an error that may be the object's own is asked about once more", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  await token.putPerKey("secrets/a/good", { user: "1" });
  const store = openStore();
  await store.read(PATH);
  for (const value of ["0x05", "0x06", "0x11", "0x12", "0x13"]) {
    module.control(`fail C_GetAttributeValue ${value} 1`);
    t.equal((await store.read(PATH)).kind, "found", value);
    t.equal((await store.read("secrets/a/good")).kind, "found");
  }
  t.same(store.starts, ["start"], "by the same child");
});

t.test("an object that goes away during a listing is no absent secret", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  const store = openStore();
  await store.read(PATH);
  module.control("fail C_GetAttributeValue 0x82 1");
  t.equal((await store.read(PATH, { fresh: true })).kind, "found", "the listing starts over");
  module.control("fail C_GetAttributeValue 0x82");
  const restless = await store.read(PATH, { fresh: true });
  t.match(restless, { code: "TOKEN_UNAVAILABLE", retryAfterSeconds: 1 }, "and ends when that does not help");
  t.same(store.starts, ["start"], "without another child");
});

t.test("a module or PIN file that is not there is said so, and absent is not", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  const [noModule, noPin, noLabel] = [
    openStore({ pkcs11: { module: "/nonexistent/module.so" } }),
    openStore({ pkcs11: { pinFile: `${token.pinFile}.no` } }),
    openStore({ pkcs11: { tokenLabel: "another" } }),
  ];
  t.match(await noModule.read(PATH), { code: "TOKEN_UNAVAILABLE", message: /PKCS11_MODULE/ });
  t.match(await noPin.read(PATH), { code: "TOKEN_UNAVAILABLE", message: /PKCS11_PIN_FILE/ });
  t.match(await noLabel.read(PATH), { code: "TOKEN_UNAVAILABLE", message: /no token with label "another"/ });
});
