// SPDX-License-Identifier: Apache-2.0
// Tests log-ins that hang and PIN files that become invalid while a child serves: how often C_Login reaches the module.
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import t from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { tokenFixture, type WatchedStore } from "./token-fixture.ts";

t.setTimeout(590_000);
const PATH = "secrets/a/db";
const codeOf = async (store: WatchedStore): Promise<string> => {
  const result = await store.read(PATH);
  return result.kind === "unavailable" ? result.code : result.kind;
};

/** Reads until that is the answer: a child that starts on a busy machine may take longer than a read has. */
const becomes = (store: WatchedStore, code: string): Promise<unknown> =>
  eventually(`a read is ${code}`, async () => (await codeOf(store)) === code);

t.test(
  "a login that never answered is not repeated when the token says that a wrong PIN came last",
  async (t) => {
    const { token, module, openStore } = await tokenFixture(t);
    module.control("hang C_Login 1", "flags 10000");
    await token.putPerKey(PATH, { user: "1" });
    const store = openStore({ operationTimeoutMs: 3_000 });
    await store.healthIs(false);
    await becomes(store, "PIN_INCORRECT");
    t.equal(module.calls("C_Login"), 1);
  },
);

t.test(
  "a login that never answered is repeated when somebody asks and nothing is said against the PIN",
  async (t) => {
    const { token, module, openStore } = await tokenFixture(t);
    module.control("hang C_Login 1");
    await token.putPerKey(PATH, { user: "1" });
    const store = openStore({ operationTimeoutMs: 3_000 });
    await store.healthIs(false);
    await becomes(store, "found");
    t.equal(module.calls("C_Login"), 2);
  },
);

t.test("a write does not end another child in its log-in, which could cost a try", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  const store = openStore({ pkcs11: { cache: "cached" } });
  t.equal(await codeOf(store), "found");
  for (let n = 0; n < 3; n += 1) {
    module.control("delay C_Login 1000 1");
    const logins = module.calls("C_Login");
    const fresh = store.read(PATH, { fresh: true });
    await eventually("a call of C_Login", async () => module.calls("C_Login") > logins, { paceMs: 20 });
    const data = new Map([["n", Buffer.from(String(n))]]);
    const written = await store.change("secrets/a/other", { type: "put", data });
    t.match(written, { kind: "written" });
    await fresh;
  }
  writeFileSync(token.pinFile, `${token.pin}\n`);
  t.match(await store.read(PATH, { fresh: true }), { kind: "found" }, "the PIN is as good as before");
});

t.test("a PIN that the token refuses ends what is served from memory", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  const store = openStore({ pkcs11: { cache: "cached" } });
  t.equal(await codeOf(store), "found");
  writeFileSync(token.pinFile, `x${randomInt(1_000_000, 9_999_999)}`);
  const fresh = await store.read(PATH, { fresh: true });
  t.match(fresh, { kind: "unavailable", code: "PIN_INCORRECT" }, "a new view needs the PIN");
  t.match(await store.read(PATH, { fresh: true }), { code: "PIN_INCORRECT" });
  t.equal(await codeOf(store), "PIN_INCORRECT", "and the old one is gone");
  t.equal(module.calls("C_Login"), 2, "the wrong one was tried once");
});
