// SPDX-License-Identifier: Apache-2.0
// Tests the PIN guard by counting the C_Login calls that reach the module.

import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import t from "tap";
import type { LoginFlags } from "../../../server/agent/pkcs11/messages.ts";
import { PinGuard, type PinOfToken } from "../../../server/agent/pkcs11/pin-guard.ts";
import { tokenFixture, type WatchedStore } from "./token-fixture.ts";

t.setTimeout(590_000);
const PATH = "secrets/a/db";
const codeOf = async (store: WatchedStore): Promise<string> => {
  const result = await store.read(PATH);
  return result.kind === "unavailable" ? result.code : result.kind;
};
const wrongPin = (): string => `x${randomInt(1_000_000, 9_999_999)}`;

t.test("a wrong PIN is tried once, until the file changes", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  writeFileSync(token.pinFile, wrongPin());
  const store = openStore();
  const together = await Promise.all(Array.from({ length: 17 }, () => codeOf(store)));
  t.ok(together.every((code) => code === "PIN_INCORRECT"));
  for (let n = 0; n < 3; n += 1) t.equal(await codeOf(store), "PIN_INCORRECT");
  t.equal(module.calls("C_Login"), 1, "one C_Login for 20 reads");
  t.ok(store.starts.length > 1, "although several children were started");
  t.match(store.health(), { ready: false, code: "PIN_INCORRECT", message: /PKCS11_PIN_FILE/ });
  writeFileSync(token.pinFile, wrongPin());
  t.equal(await codeOf(store), "PIN_INCORRECT");
  t.equal(module.calls("C_Login"), 2, "another PIN is tried, once");
  writeFileSync(token.pinFile, token.pin);
  t.equal(await codeOf(store), "found", "the right one works, without a restart");
  t.equal(module.calls("C_Login"), 3);
});

const flagRows: [what: string, lines: string[], code: string, logins: number][] = [
  ["the final try is never used", ["flags 20000"], "PIN_LOCKED", 0],
  ["a locked PIN is not tried", ["flags 40000"], "PIN_LOCKED", 0],
  ["a PIN that turns out locked is tried once", ["fail C_Login 0xa4"], "PIN_LOCKED", 1],
  ["an expired PIN is tried once", ["fail C_Login 0xa3"], "PIN_INCORRECT", 1],
  ["a count that is low is no reason not to try", ["flags 10000"], "found", 1],
];
for (const [what, lines, code, logins] of flagRows) {
  t.test(what, async (t) => {
    const { token, module, openStore } = await tokenFixture(t);
    await token.putPerKey(PATH, { user: "1" });
    module.control(...lines);
    const store = openStore();
    for (let n = 0; n < 3; n += 1) t.equal(await codeOf(store), code);
    t.equal(module.calls("C_Login"), logins);
    module.control();
    if (logins === 0) t.equal(await codeOf(store), "found", "it works once the token allows it");
  });
}

t.test("a PIN that worked is used again by the next child", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  const store = openStore();
  t.equal(await codeOf(store), "found");
  module.control("crash C_GetAttributeValue segv 1");
  t.equal(await codeOf(store), "TOKEN_UNAVAILABLE");
  t.equal(await codeOf(store), "found");
  t.equal(module.calls("C_Login"), 2);
});

t.test("PINs that take turns in the file are tried once each", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  const [a, b] = [wrongPin(), `y${wrongPin()}`];
  writeFileSync(token.pinFile, a);
  const store = openStore();
  for (const pin of [a, b, a, b, a]) {
    writeFileSync(token.pinFile, pin);
    t.equal(await codeOf(store), "PIN_INCORRECT");
  }
  t.equal(module.calls("C_Login"), 2);
});

const FREE: LoginFlags = { locked: false, finalTry: false, countLow: false };
const LOW: LoginFlags = { ...FREE, countLow: true };
const ofToken = (pin: string, token = "one"): PinOfToken => ({ token, pin });

t.test("the guard forgets a PIN that failed only when the same token accepts one", async (t) => {
  const guard = new PinGuard(4);
  const fails = (pin: string, token?: string): boolean => {
    const tried = guard.begin(ofToken(pin, token), LOW) === undefined;
    if (tried) guard.ended("incorrect");
    return tried;
  };
  t.equal(guard.begin(ofToken("good"), FREE), undefined);
  guard.ended("accepted");
  t.same(
    ["a", "b", "a", "b"].map((pin) => fails(pin)),
    [true, true, false, false],
    "each is tried once",
  );
  t.ok(fails("a", "two"), "another token has a PIN of its own");
  t.equal(guard.begin(ofToken("d"), FREE), "too-many", "when it can remember no more, none is tried");
  t.equal(guard.begin(ofToken("good"), LOW), undefined, "except the one that worked");
  guard.ended("accepted");
  t.same([fails("a", "two"), fails("a"), fails("a")], [false, true, false]);
});

t.test("one try at a time", async (t) => {
  const guard = new PinGuard();
  t.equal(guard.begin(ofToken("a"), FREE), undefined);
  t.equal(guard.begin(ofToken("a"), FREE), "busy", "not while one is under way");
  t.equal(guard.begin(ofToken("b"), FREE), "busy");
  guard.ended("locked");
  t.equal(guard.begin(ofToken("a"), FREE), "locked", "not after it failed, for the reason it failed");
});

t.test(
  "a PIN that has been replaced on the token is not tried again, its successor is known to be good",
  async (t) => {
    const guard = new PinGuard();
    t.equal(guard.begin(ofToken("old"), FREE), undefined);
    guard.ended("accepted", "new");
    t.equal(guard.begin(ofToken("old"), FREE), "incorrect");
    t.equal(guard.begin(ofToken("new"), FREE), undefined);
    guard.ended("accepted", "new");
    t.equal(guard.begin(ofToken("new"), FREE), undefined, "one that replaces itself stays good");
  },
);

t.test("how often a PIN may be named that is not the one in use", async (t) => {
  let ms = 0;
  const guard = new PinGuard(4, () => ms);
  const wrong = () => {
    t.equal(guard.comparesAfterSeconds(), 0);
    guard.mismatched();
  };
  const accepted = (pin: string, replacedBy?: string) => {
    t.equal(guard.begin(ofToken(pin), FREE), undefined);
    guard.ended("accepted", replacedBy);
  };
  accepted("good");
  for (let n = 0; n < 3; n += 1) wrong();
  t.equal(guard.comparesAfterSeconds(), 3600);
  accepted("good");
  t.equal(guard.comparesAfterSeconds(), 3600, "a log-in as all the others allows none");
  ms += 3_599_000;
  t.equal(guard.comparesAfterSeconds(), 1);
  ms += 1000;
  for (let n = 0; n < 3; n += 1) wrong();
  t.equal(guard.comparesAfterSeconds(), 3600);
  accepted("another");
  wrong();
  wrong();
  accepted("another", "changed");
  for (let n = 0; n < 3; n += 1) wrong();
  t.equal(guard.comparesAfterSeconds(), 3600);
});
