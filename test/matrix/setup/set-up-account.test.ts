// SPDX-License-Identifier: Apache-2.0
// Tests the set-up of the bot's account: what is made in which order, what an interruption leaves, and what is never replaced.
import { randomBytes } from "node:crypto";
import t from "tap";
import { publicKeyOf } from "../../../server/matrix/crypto/cross-signing/new-identity.ts";
import { openSecretStorage } from "../../../server/matrix/crypto/cross-signing/secret-storage.ts";
import { setUpAccount } from "../../../server/matrix/setup/set-up-account.ts";
import { type AccountDouble, accountDouble, USER } from "./account-double.ts";

const setUp = async (
  account: AccountDouble,
  {
    recoveryKey,
    reset = false,
    password,
  }: { recoveryKey?: Uint8Array; reset?: boolean; password?: string } = {},
) => {
  const printed: Uint8Array[] = [];
  const writesBefore: number[] = [];
  const outcome = await setUpAccount({
    request: account.request,
    user: USER,
    password,
    recoveryKey,
    reset,
    print(key) {
      printed.push(key);
      writesBefore.push(account.writes.length);
    },
  });
  return { outcome, printed, writesBefore };
};

/** The public master key that the account shows, and the one that secret storage has the private half of. */
const mastersOf = async (account: AccountDouble, key: Uint8Array | undefined) => {
  const storage = key && (await openSecretStorage(account.request, USER, key));
  const kept = storage?.kind === "open" ? await storage.storage.read() : undefined;
  const shown = account.identity?.master_key as { keys?: Record<string, string> } | undefined;
  return { shown: Object.values(shown?.keys ?? {})[0], kept: kept && publicKeyOf(kept.master) };
};

t.test("a new account: the key is printed first, and the public keys are published last", async (t) => {
  const account = accountDouble();
  const { outcome, printed, writesBefore } = await setUp(account);
  t.same(outcome, { kind: "set-up", already: false });
  t.equal(printed.length, 1);
  t.same(writesBefore, [0]);
  t.equal(account.writes.at(-1), "keys/device_signing/upload");
  const { shown, kept } = await mastersOf(account, printed[0]);
  t.type(shown, "string");
  t.equal(shown, kept);

  await t.test("again with the key: nothing is made, printed or written", async (t) => {
    const writes = account.writes.length;
    const recoveryKey = printed[0] ?? new Uint8Array();
    const again = await setUp(account, { recoveryKey });
    t.same(again.outcome, { kind: "set-up", already: true });
    t.same(again.printed, []);
    t.equal(account.writes.length, writes);
  });

  await t.test("again without it, or with another one, it replaces nothing", async (t) => {
    const writes = account.writes.length;
    const without = await setUp(account);
    t.same(without.outcome, { kind: "not-set-up", why: "storage-elsewhere" });
    const other = await setUp(account, { recoveryKey: randomBytes(32) });
    t.same(other.outcome, { kind: "not-set-up", why: "wrong-recovery-key" });
    t.same([...without.printed, ...other.printed], []);
    t.equal(account.writes.length, writes);
  });

  await t.test("a reset makes all of it anew, under a new key", async (t) => {
    account.password = randomBytes(8).toString("hex");
    const recoveryKey = printed[0] ?? new Uint8Array();
    const refused = await setUp(account, { reset: true, recoveryKey });
    t.same(refused.outcome, { kind: "not-set-up", why: "password-needed" });
    t.same(refused.printed, []);
    t.same(await mastersOf(account, recoveryKey), { shown, kept }, "what there was stays as it is");
    const made = await setUp(account, { reset: true, password: account.password });
    t.same(made.outcome, { kind: "set-up", already: false });
    const masters = await mastersOf(account, made.printed[0]);
    t.not(masters.shown, shown);
    t.equal(masters.shown, masters.kept);
  });
});

t.test("interrupted at each write, the same key finishes it", async (t) => {
  for (let failsFrom = 1; failsFrom <= 6; failsFrom += 1) {
    const account = accountDouble();
    account.failsFrom = failsFrom;
    const first = await setUp(account);
    t.same(first.outcome, { kind: "not-set-up", why: "unavailable" }, `write ${failsFrom}`);
    account.failsFrom = undefined;
    const recoveryKey = first.printed[0] ?? new Uint8Array();
    const { outcome, printed } = await setUp(account, { recoveryKey });
    t.same(outcome, { kind: "set-up", already: false });
    t.same(printed, []);
    const { shown, kept } = await mastersOf(account, recoveryKey);
    t.equal(shown, kept);
  }
});

t.test(
  "an identity whose keys a running bot has: a key for it to store them under, and no write",
  async (t) => {
    const account = accountDouble();
    await setUp(account);
    account.data.clear();
    const writes = account.writes.length;
    const { outcome, printed } = await setUp(account);
    t.same(outcome, { kind: "up-to-the-bot" });
    t.equal(printed.length, 1);
    t.same((await setUp(account, { recoveryKey: randomBytes(32) })).printed, []);
    t.equal(account.writes.length, writes);
  },
);

t.test("a homeserver that does not answer changes nothing", async (t) => {
  const { request, ...rest } = accountDouble();
  const away = await setUp({ ...rest, request: async () => ({ status: 0, body: undefined }) });
  t.same(away.outcome, { kind: "not-set-up", why: "unavailable" });
  const half: AccountDouble = {
    ...rest,
    request: async (method, path, body) =>
      method === "GET" ? { status: 500, body: {} } : request(method, path, body),
  };
  const { outcome, printed } = await setUp(half);
  t.same(outcome, { kind: "not-set-up", why: "unavailable" });
  t.same(printed, []);
});

t.test("a reset that is interrupted at any write is made whole by another", async (t) => {
  const password = randomBytes(8).toString("hex");
  for (let failsFrom = 1; failsFrom <= 7; failsFrom += 1) {
    const account = accountDouble();
    await setUp(account);
    account.password = password;
    account.failsFrom = account.writes.length + failsFrom;
    const { outcome } = await setUp(account, { reset: true, password });
    t.same(outcome, { kind: "not-set-up", why: "unavailable" }, `write ${failsFrom}`);
    account.failsFrom = undefined;
    const again = await setUp(account, { reset: true, password });
    const { shown, kept } = await mastersOf(account, again.printed[0]);
    t.type(kept, "string");
    t.equal(shown, kept);
  }
});
