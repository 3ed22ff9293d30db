// SPDX-License-Identifier: Apache-2.0
// Tests the signing of the bot's own device: requests, retries, and log lines that tell an operator what to do.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import t from "tap";
import type { AccountCheck, DeviceTrust } from "../../server/bot/chat.ts";
import { parseMatrixConfig } from "../../server/config/matrix.ts";
import type { CrossSigningOutcome } from "../../server/matrix/crypto/cross-signing/cross-sign.ts";
import { encodeRecoveryKey } from "../../server/matrix/crypto/cross-signing/recovery-key.ts";
import type { StartOptions } from "../../server/matrix/crypto/encryption.ts";
import { readRecoveryKey, signOwnDevice } from "../../server/matrix/own-device.ts";

const SECRET = randomBytes(12).toString("hex");

const authFrom = (env: Record<string, string>) => {
  const parsed = parseMatrixConfig({ MATRIX_HOMESERVER: "http://127.0.0.1:1", ...env });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.config.auth;
};
const PASSWORD = authFrom({ MATRIX_USER: "@bot:example.org", MATRIX_PASSWORD: SECRET });

const SIGNED: CrossSigningOutcome = { kind: "signed", identity: "kept", backup: "kept" };
const unsigned = (reason: Extract<CrossSigningOutcome, { kind: "unsigned" }>["reason"]) =>
  ({ kind: "unsigned", reason }) as const;

/** Signs with these outcomes, one after the other; the last one stays. */
const sign = async (
  outcomes: readonly CrossSigningOutcome[],
  { auth = PASSWORD, recoveryKey, endsIn }: SignOptions = {},
) => {
  const lines: { level: string; msg: string; [field: string]: unknown }[] = [];
  const starts: StartOptions[] = [];
  const sleeps: number[] = [];
  const reported: DeviceTrust[] = [];
  const checks: AccountCheck[] = [];
  const ending = new AbortController();
  const logger = pino(
    { base: null, timestamp: false, formatters: { level: (level) => ({ level }) } },
    { write: (line) => void lines.push(JSON.parse(line)) },
  );
  await signOwnDevice({
    encryption: {
      fingerprint: () => "abcd efgh",
      async start(options) {
        starts.push(options);
        if (endsIn === "start") ending.abort();
        return outcomes[Math.min(starts.length, outcomes.length) - 1] ?? SIGNED;
      },
    },
    request: async () => ({ status: 200, body: {} }),
    auth,
    recoveryKey,
    logger,
    onDeviceTrust: (trust) => void reported.push(trust),
    onAccountCheck: (check) => void checks.push(check),
    async sleep(ms) {
      sleeps.push(ms);
      if (endsIn === "sleep") ending.abort();
    },
    signal: ending.signal,
  });
  return { lines, starts, sleeps, reported, checks };
};
type SignOptions = {
  auth?: typeof PASSWORD | ReturnType<typeof authFrom>;
  recoveryKey?: Uint8Array;
  endsIn?: "start" | "sleep";
};

t.test("the fingerprint and the outcome are in the log", async (t) => {
  const { lines, starts, sleeps } = await sign([SIGNED]);
  t.match(lines, [
    { level: "info", fingerprint: "abcd efgh" },
    { level: "info", identity: "kept", backup: "kept", msg: /is signed by its identity/ },
  ]);
  t.equal(starts.length, 1);
  t.same(sleeps, []);
});

t.test("while the homeserver does not answer it is asked again, and the log says so", async (t) => {
  const { lines, starts, sleeps, reported } = await sign([
    unsigned("unavailable"),
    unsigned("unavailable"),
    SIGNED,
  ]);
  t.same(
    reported.map(({ isSigned }) => isSigned),
    [false, false, true],
  );
  t.equal(starts.length, 3);
  t.same(sleeps, [30_000, 30_000]);
  t.equal(lines.filter(({ level }) => level === "warn").length, 2);
  t.match(lines.at(-1), { level: "info", msg: /is signed/ });
});

const reasons: [Parameters<typeof unsigned>[0], RegExp][] = [
  ["identity-elsewhere", /give its recovery key in MATRIX_RECOVERY_KEY_FILE/],
  ["wrong-recovery-key", /correct the file/],
  ["password-needed", /start once with AUTH_METHOD=password, or give MATRIX_RECOVERY_KEY_FILE/],
];
for (const [reason, says] of reasons) {
  t.test(`${reason} is final, and the log says what to do`, async (t) => {
    const { lines, starts, reported } = await sign([unsigned(reason)]);
    t.equal(starts.length, 1);
    t.match(reported, [{ isSigned: false, message: says }]);
    t.match(lines.at(-1), { level: "warn", reason, msg: says });
  });
}

for (const [backup, says] of [
  ["none", /bot setup/],
  ["failed", /could not be kept/],
  ["wrong-recovery-key", /correct the file/],
] as const) {
  t.test(`signed, but a lost volume would not heal: ${backup}`, async (t) => {
    const { lines, checks } = await sign([{ kind: "signed", identity: "created", backup }]);
    t.match(lines.at(-1), { level: "warn", backup, msg: says });
    t.match(checks, [{ problem: "no-backup", count: 1, message: says }]);
  });
}

t.test("a backup is known when the device is", async (t) => {
  t.same((await sign([unsigned("unavailable"), SIGNED])).checks, [{ problem: "no-backup", count: 0 }]);
  t.match((await sign([unsigned("identity-elsewhere")])).checks, [{ problem: "no-backup", count: 1 }]);
});

t.test("what is handed on: the password of AUTH_METHOD=password alone, and the recovery key", async (t) => {
  const recoveryKey = randomBytes(32);
  const token = authFrom({ AUTH_METHOD: "token", MATRIX_ACCESS_TOKEN: SECRET });
  t.match((await sign([SIGNED])).starts, [{ password: SECRET, recoveryKey: undefined }]);
  const [withToken] = (await sign([SIGNED], { auth: token, recoveryKey })).starts;
  t.notHas(withToken, { password: String });
  t.same(withToken?.recoveryKey, recoveryKey);
  const { lines } = await sign([unsigned("unavailable"), SIGNED], { recoveryKey });
  t.notMatch(JSON.stringify(lines), SECRET);
});

t.test("the end of the process ends it", async (t) => {
  const asleep = await sign([unsigned("unavailable")], { endsIn: "sleep" });
  t.equal(asleep.starts.length, 1);
  const asking = await sign([unsigned("unavailable")], { endsIn: "start" });
  t.same(asking.sleeps, []);
  t.equal(asking.lines.length, 1, "what came of it is not told any more");
});

t.test("the recovery key's file", async (t) => {
  const file = join(t.testdir(), "recovery-key");
  const key = randomBytes(32);
  t.equal(readRecoveryKey(undefined), undefined);
  writeFileSync(file, `${encodeRecoveryKey(key)}\n`);
  t.same(Buffer.from(readRecoveryKey(file) ?? []), key);
  const wrong = encodeRecoveryKey(key).replace(/.$/, (last) => (last === "A" ? "B" : "A"));
  writeFileSync(file, wrong);
  let said = "";
  try {
    readRecoveryKey(file);
  } catch (error) {
    said = String(error);
  }
  t.match(said, "holds no recovery key");
  t.notOk(said.includes(wrong.slice(0, 4)));
});
