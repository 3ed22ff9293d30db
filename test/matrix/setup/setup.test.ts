// SPDX-License-Identifier: Apache-2.0
// Tests `bot setup` as a process on a real homeserver, and what it is for: a bot that lost its store has the same identity.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t, { type Test } from "tap";
import { startUser } from "../../../scripts/homeserver/client/user.ts";
import { inheritedEnv } from "../../../scripts/local/inherited-env.ts";
import type { AccountCheck } from "../../../server/bot/chat.ts";
import { decodeRecoveryKey } from "../../../server/matrix/crypto/cross-signing/recovery-key.ts";
import type { HomeserverRequests } from "../../../server/matrix/crypto/homeserver-requests.ts";
import { tidyOtherDevices } from "../../../server/matrix/other-devices.ts";
import { recordedLog } from "../../http/recorded-log.ts";
import { type BotSettings, startBot } from "../crypto/crypto-bot-settings.ts";
import { logIn } from "../crypto/log-in.ts";
import { synapseFor } from "../synapse.ts";

const MAIN = fileURLToPath(new URL("../../../server/main.ts", import.meta.url));

const LoggedIn = Type.Object({ access_token: Type.String() });

/** Requests of one device; of none for a log-in. */
const send =
  (baseUrl: string, token: string | undefined): HomeserverRequests =>
  async (method, path, json) => {
    const answer = await fetch(`${baseUrl}/_matrix/client/v3/${path}`, {
      method,
      ...(json !== undefined && { body: JSON.stringify(json) }),
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    });
    return { status: answer.status, body: await answer.json() };
  };

type Ended = { code: number; stdout: string; stderr: string };

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const { baseUrl } = synapse;
  const alice = await startUser({ baseUrl, ...(await synapse.registerUser("alice")) });
  t.teardown(() => alice.stop());
  const account = await synapse.registerUser("bot");
  const keyFile = join(t.testdir(), "recovery-key");

  const setup = (...args: string[]): Promise<Ended> =>
    new Promise((resolve) => {
      const env = {
        ...inheritedEnv(),
        MATRIX_HOMESERVER: baseUrl,
        MATRIX_USER: account.userId,
        MATRIX_PASSWORD: account.password,
        MATRIX_RECOVERY_KEY_FILE: keyFile,
      };
      const child = execFile(
        process.execPath,
        [MAIN, "bot", "setup", ...args],
        { env },
        (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
      );
    });

  /** Runs a bot with an empty store, and looks at it with alice's client. */
  const startFresh = async (t: Test, recoveryKey: string) => {
    const settings: BotSettings = {
      ...(await logIn(baseUrl, account)),
      url: baseUrl,
      folder: t.testdir(),
      policy: "warn",
      allowedUsers: [alice.userId],
      recoveryKey,
    };
    const bot = startBot(settings);
    const { outcome } = await bot.report("ready");
    const room = await alice.createRoom({ invite: [account.userId] });
    await alice.seesMember(room, account.userId);
    const devices = await alice.devicesOf(account.userId);
    await bot.kill();
    return { outcome, device: devices.find(({ id }) => id === settings.deviceId) };
  };

  let recoveryKey = "";
  await t.test("it prints a recovery key and nothing else, and leaves no device", async (t) => {
    const { code, stdout, stderr } = await setup();
    t.equal(code, 0, stderr);
    recoveryKey = stdout.trim();
    t.ok(decodeRecoveryKey(recoveryKey));
    t.match(stderr, /Secret keyswitch-bot[\s\S]*The account is set up/);
    t.notOk(stderr.includes(recoveryKey));
    t.same(await synapse.devicesOf(account.userId), []);
  });

  await t.test("again it makes nothing, with the key and without", async (t) => {
    t.match(await setup(), { code: 1, stdout: "", stderr: /was not given.*--reset/ });
    writeFileSync(keyFile, `${recoveryKey}\n`);
    t.match(await setup(), { code: 0, stdout: "", stderr: /nothing was changed/ });
  });

  await t.test("a bot that has lost its volume is signed by the identity that it made", async (t) => {
    const { outcome, device } = await startFresh(t, recoveryKey);
    t.strictSame(outcome, { kind: "signed", identity: "restored", backup: "kept" });
    t.match(device, { signedByOwner: true });
  });

  await t.test("a reset replaces the identity with the password, and the new key opens it", async (t) => {
    const { code, stdout, stderr } = await setup("--reset");
    t.equal(code, 0, stderr);
    t.not(stdout.trim(), recoveryKey);
    const { outcome } = await startFresh(t, stdout.trim());
    t.strictSame(outcome, { kind: "signed", identity: "restored", backup: "kept" });
  });

  await t.test(
    "a device of a lost volume is removed with the password, one that is in use is not",
    async (t) => {
      const { userId, password } = await synapse.registerUser("twice");
      const device = async (id: string, name = "Keyswitch") => {
        const identifier = { type: "m.id.user", user: userId };
        const login = { type: "m.login.password", identifier, password, device_id: id };
        const body = { ...login, initial_device_display_name: name };
        const { body: answer } = await send(baseUrl, undefined)("POST", "login", body);
        if (!Value.Check(LoggedIn, answer)) throw new Error("not logged in");
        return send(baseUrl, answer.access_token);
      };
      const request = await device("OURS");
      const used = await device("USED");
      await device("LOST");
      await device("PERSON", "Element");
      await used("GET", "devices");
      const log = recordedLog();
      const checks: AccountCheck[] = [];
      await tidyOtherDevices({
        request,
        homeserver: baseUrl,
        userId,
        deviceId: "OURS",
        password,
        logger: log.logger,
        onAccountCheck: (check) => void checks.push(check),
        sleep: async () => {},
        signal: new AbortController().signal,
      });
      t.same([...(await synapse.devicesOf(userId))].sort(), ["OURS", "PERSON", "USED"]);
      t.match(checks[0], { problem: "old-devices", count: 1, message: /USED/ });
      t.notOk(log.text().includes(password));
    },
  );

  await t.test(
    "a command line and a file that can't be read are refused before anything is asked",
    async (t) => {
      t.match(await setup("--rest"), { code: 1, stdout: "", stderr: /usage/ });
      writeFileSync(keyFile, "no key");
      t.match(await setup(), { code: 1, stdout: "", stderr: /holds no recovery key/ });
    },
  );
});
