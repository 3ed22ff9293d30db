// SPDX-License-Identifier: Apache-2.0
// Tests a card that fails, is full, takes smaller objects, or shares its reader.
import { spawn } from "node:child_process";
import { once } from "node:events";
import t from "tap";
import { eventually } from "../../../../scripts/local/eventually.ts";
import { someKeys } from "../kill-points.ts";
import type { WatchedStore } from "../token-fixture.ts";
import { type CardFixture, cardFixture, cardTest, ready } from "./card-fixture.ts";

t.setTimeout(590_000);

const PATH = "secrets/shop/db";
const UPDATE = 0xd7;
const VERIFY = 0x20;

const put = (names: readonly string[] = ["a"], bytes?: number) =>
  ({ type: "put", data: someKeys(names, bytes) }) as const;

/** Resolves once pcscd has noticed that the card is gone. */
const isGone = (store: WatchedStore): Promise<unknown> =>
  eventually(
    "the module shows no token",
    async () => {
      const info = await store.info();
      return info.kind === "unavailable" && /shows no token/.test(info.message);
    },
    // Of a call that hangs, pcscd notices late that the card is gone.
    { seconds: 90 },
  );

/** Runs pkcs11-tool with a log-in beside the agent. */
const pkcs11Tool = async ({ way, pin }: CardFixture, ...args: string[]): Promise<number> => {
  const tool = spawn("pkcs11-tool", ["--module", way.module, "--login", "--pin", "env:PIN", ...args], {
    env: { ...process.env, ...way.env, PIN: pin },
    stdio: "ignore",
  });
  const [code] = await once(tool, "exit");
  return Number(code);
};

cardTest("an error of the card in a write is no limit", async (t) => {
  const { card, openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  for (const word of [0x6f00, 0x6581, 0x6a84]) {
    card.failAt(2, word, ({ ins }) => ins === UPDATE);
    t.match(await store.change(PATH, put()), { kind: "written" }, `${word.toString(16)}, once`);
    t.match(await store.info(), { objectLimitSource: "module" }, "nothing was learned of it");
  }
});

cardTest("a card without memory is full, and what it holds stays", async (t) => {
  const { card, openStore } = await cardFixture(t, { memoryBytes: 7_000 });
  const store = openStore();
  await ready(store);
  const first = await store.change(PATH, put());
  t.match(first, { kind: "written" });
  const large = await store.change("secrets/shop/large", put(["a"], 8_000));
  t.match(large, { kind: "refused", code: "TOKEN_FULL", message: /nothing was changed/ });
  t.match(await store.read("secrets/shop/large"), { kind: "absent" });
  t.match(await store.read(PATH), { kind: "found" });
  t.ok(card.memory.files.size > 0);
});

for (const fileBytes of [4_032, 4_096]) {
  cardTest(`a card that takes ${fileBytes} bytes an object`, async (t) => {
    const { openStore } = await cardFixture(t, { fileBytes });
    const store = openStore();
    await ready(store);
    for (const bytes of [3_900, 4_000, 9_000]) {
      const result = await store.change(`secrets/shop/s${bytes}`, put(["a"], bytes));
      t.match(result, { kind: "written" }, `${bytes} bytes`);
      const read = await store.read(`secrets/shop/s${bytes}`);
      t.match(read, { kind: "found", checksum: result.kind === "written" ? result.checksum : "" });
    }
    t.match(await store.info(), { maxObjectBytes: fileBytes, objectLimitSource: "module" });
  });
}

cardTest("an empty value is kept in a packed secret, and refused as an object of its own", async (t) => {
  const { openStore } = await cardFixture(t);
  const packed = openStore();
  await ready(packed);
  const empty = { type: "put", data: new Map([["a", new Uint8Array()]]) } as const;
  t.match(await packed.change(PATH, empty), { kind: "written" });
  t.match(await packed.read(PATH), { kind: "found" });
  await packed.close();
  const perKey = openStore({ writes: { layout: "per-key" } });
  await ready(perKey);
  t.match(await perKey.change("secrets/shop/e", empty), { kind: "refused", code: "VALUE_EMPTY" });
  t.match(await perKey.read("secrets/shop/e"), { kind: "absent" });
});

cardTest("another program's log-in costs the next write nothing, and no read", async (t) => {
  const fixture = await cardFixture(t);
  const store = fixture.openStore();
  await ready(store);
  const first = await store.change(PATH, put());
  t.match(first, { kind: "written" });
  for (let times = 0; times < 3; times += 1) {
    t.equal(await pkcs11Tool(fixture, "--list-objects"), 0);
    t.match(await store.read(PATH), { kind: "found" });
    t.match(await store.change(PATH, put()), { kind: "written", outcome: "changed" });
  }
});

cardTest("pcscd ends in the middle of a write, and comes back", async (t) => {
  const { card, pcscd, openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  const first = await store.change(PATH, put());
  card.failAt(4, "stall", ({ ins }) => ins === UPDATE);
  const writing = store.change(PATH, put());
  await card.failed();
  await pcscd.kill();
  const second = await writing;
  t.match(second, { kind: "uncertain" }, "nobody can tell");
  await pcscd.start();
  await ready(store);
  const read = await store.read(PATH);
  t.match(read, { kind: "found", checksum: first.kind === "written" ? first.checksum : "" });
  t.match(await store.change(PATH, put()), { kind: "written" }, "and it is written to again");
});

cardTest("a card that stops answering is given up, and well when it was plugged in again", async (t) => {
  const { card, openStore } = await cardFixture(t);
  const store = openStore({ operationTimeoutMs: 6_000 });
  await ready(store);
  const first = await store.change(PATH, put());
  card.failAt(2, "stall", ({ ins }) => ins === UPDATE);
  t.match(await store.change(PATH, put()), { kind: "uncertain" });
  card.unplug();
  await isGone(store);
  card.plug();
  await ready(store);
  t.match(await store.read(PATH), {
    kind: "found",
    checksum: first.kind === "written" ? first.checksum : "",
  });
});

cardTest("the card's own count of wrong PINs is never used up", async (t) => {
  const { card, pin, way, openStore } = await cardFixture(t);
  const { writeFileSync } = await import("node:fs");
  const tries = (): number => card.count(VERIFY, true);
  writeFileSync(way.pinFile, `${Number(pin) === 999_999 ? 100_000 : Number(pin) + 1}\n`);
  const store = openStore({ operationTimeoutMs: 20_000 });
  await store.healthIs(false);
  for (let times = 0; times < 4; times += 1) t.match(await store.read(PATH), { code: "PIN_INCORRECT" });
  t.equal(tries(), 1, "one wrong PIN is one VERIFY");
  t.equal(card.memory.user.left, 2);
  writeFileSync(way.pinFile, "1234567890123456\n");
  t.match(await store.read(PATH, { fresh: true }), { message: /16 bytes, and the token takes 6 to 15/ });
  t.equal(tries(), 1, "a PIN that the card can't have is not tried");
  card.memory.user.left = 1;
  writeFileSync(way.pinFile, `${pin}\n`);
  t.match(await store.read(PATH, { fresh: true }), { code: "PIN_LOCKED" });
  t.equal(tries(), 1, "the last try is never used");
  card.memory.user.left = 3;
  await ready(store);
  t.match(await store.read(PATH), { kind: "absent" });
});
