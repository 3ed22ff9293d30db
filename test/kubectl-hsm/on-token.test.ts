// SPDX-License-Identifier: Apache-2.0
// Tests kubectl hsm from its command line down to a real PKCS#11 token.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { tokenFixture } from "../agent/pkcs11/token-fixture.ts";
import { madeUp, startAgent, temporaryFolder, valueAt } from "./fixture.ts";

t.setTimeout(590_000);

t.test("create, update, rename, move, export, delete, import, change the PIN", async (t) => {
  const fixture = await tokenFixture(t);
  const store = fixture.openStore({ writes: { layout: "per-key" } });
  const { run } = await startAgent(t, { over: () => store });
  const folder = temporaryFolder(t);
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run([...args, "-n", "shop"]);
    t.equal(code, 0, `${args[0]}: ${stderr}`);
    return stdout;
  };
  const password = madeUp();
  await ok(
    "create",
    "db",
    "--from-file",
    `password=${file("password", password)}`,
    "--from-literal",
    "user=shop",
  );
  t.equal(
    (await run(["create", "db", "--from-literal", "user=x", "-n", "shop"])).code,
    5,
    "it is there already",
  );
  t.equal(await ok("get", "db", "--key", "password"), password);
  const next = madeUp();
  await ok("update", "db", "--from-file", `password=${file("next", next)}`);
  await ok("rename-key", "db", "password", "secret");
  t.equal(await valueAt(store, "secrets/shop/db", "secret"), next);
  t.match(await store.info(), { objects: 3 }, "two keys and their metadata");
  await ok("repack", "--layout", "packed", "--yes");
  t.match(await store.info(), { objects: 1 });
  const backup = join(folder, "backup.json");
  await ok("export", "--plain", "--file", backup);
  t.match(readFileSync(backup, "utf8"), Buffer.from(next).toString("base64"));
  await ok("delete", "db", "--yes");
  t.match(await store.info(), { objects: 0 });
  await ok("import", backup);
  t.equal(await ok("get", "db", "--key", "secret"), next);
  const pin = fixture.token.pin;
  const currentPin = file("pin", pin);
  const newPin = file("new-pin", String(Number(pin) + 1));
  await ok("rotate-pin", "--current-pin-file", currentPin, "--new-pin-file", newPin, "--agent-only");
  t.match(await store.setPin(pin, "1234"), { kind: "mismatch" });
  t.match(await ok("health"), /1 data object|objects/);
});

t.test("what is on the token and can't be a secret is listed and counted", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  const store = openStore();
  const { run } = await startAgent(t, { over: () => store });
  const invalid = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(["list", "--invalid", ...args]);
    t.equal(code, 0, stderr);
    return stdout + stderr;
  };
  t.match(await invalid("-n", "shop"), "Nothing is invalid.");
  await token.putObjects([
    { label: "secrets/shop/db/pass word", value: Buffer.from("1") },
    { label: "secrets/shop/broken/_metadata", value: Buffer.from("no JSON") },
    { label: "pass word", application: "hsm-secrets-operator", value: Buffer.from("1") },
  ]);
  await run(["refresh", "-n", "shop"]);
  const listed = await invalid("-n", "shop");
  t.match(listed, /"secrets\/shop\/db\/pass word"\s+secrets\/shop\/db\s+the label can't be a key/);
  t.match(listed, /secrets\/shop\/broken\s+can't be understood/);
  t.notMatch(listed, '"pass word"', "what belongs to no path belongs to no namespace");
  t.match(await invalid("-A"), /"pass word"\s+the label/, "but to the token");
  t.match(JSON.parse(await invalid("-A", "-o", "json")), { invalid: [{}, {}, {}] });
  t.match((await run(["health", "-n", "shop"])).stdout, /2 with a label that can't be a key/);
});
