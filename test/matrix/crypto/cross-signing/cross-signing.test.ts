// SPDX-License-Identifier: Apache-2.0
// Tests the bot's identity on a real homeserver: restored over lost volumes by a recovery key, shared with other clients, never
// replaced.
import { randomBytes } from "node:crypto";
import { createClient } from "matrix-js-sdk";
import { decodeRecoveryKey as decodeAsSdk } from "matrix-js-sdk/lib/crypto-api/index.js";
import t, { type Test } from "tap";
import { firstSync } from "../../../../scripts/homeserver/client/client-state.ts";
import { quietClient } from "../../../../scripts/homeserver/client/quiet-client.ts";
import { startUser } from "../../../../scripts/homeserver/client/user.ts";
import { encodeRecoveryKey } from "../../../../server/matrix/crypto/cross-signing/recovery-key.ts";
import { synapseFor } from "../../synapse.ts";
import { type BotSettings, startBot } from "../crypto-bot-settings.ts";
import { logIn } from "../log-in.ts";

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const baseUrl = synapse.baseUrl;
  type Account = { userId: string; password: string };
  const alice = await synapse.registerUser("alice");
  const user = await startUser({ baseUrl, ...alice });
  t.teardown(() => user.stop());

  /** Runs a bot on a new device with an empty store until it has started. */
  const startFresh = async (t: Test, account: Account, recoveryKey?: string) => {
    const settings: BotSettings = {
      ...(await logIn(baseUrl, account)),
      url: baseUrl,
      folder: t.testdir(),
      policy: "warn",
      allowedUsers: [alice.userId],
      ...(recoveryKey !== undefined && { recoveryKey }),
    };
    const bot = startBot(settings);
    t.teardown(() => bot.kill());
    const { outcome } = await bot.report("ready");
    return { outcome, deviceId: settings.deviceId };
  };

  /** Another client of the bot's account, that opens secret storage with `key`. */
  const startOther = async (t: Test, account: Account, key: () => Uint8Array<ArrayBuffer> | undefined) => {
    quietClient();
    const { userId, deviceId, accessToken } = await logIn(baseUrl, account);
    const client = createClient({
      ...{ baseUrl, userId, deviceId, accessToken },
      cryptoCallbacks: {
        getSecretStorageKey: async ({ keys }) => {
          const [id] = Object.keys(keys);
          const secret = key();
          return id !== undefined && secret ? [id, secret] : null;
        },
      },
    });
    await client.initRustCrypto({ useIndexedDB: false });
    const crypto = client.getCrypto();
    if (crypto === undefined) throw new Error("the client has no encryption");
    const synced = firstSync(client);
    await client.startClient();
    t.teardown(() => client.stopClient());
    await synced;
    return { crypto, deviceId };
  };

  t.test("a lost volume and a recovery key give the same identity back", async (t) => {
    const account = await synapse.registerUser("lost");
    const key = randomBytes(32);
    const recoveryKey = encodeRecoveryKey(key);
    await t.test("the first start makes an identity and secret storage", async (t) => {
      const { outcome } = await startFresh(t, account, recoveryKey);
      t.strictSame(outcome, { kind: "signed", identity: "created", backup: "kept" });
    });

    await t.test("matrix-js-sdk takes the identity from the secret storage that the bot made", async (t) => {
      const other = await startOther(t, account, () => decodeAsSdk(recoveryKey));
      await other.crypto.userHasCrossSigningKeys(account.userId, true);
      await other.crypto.bootstrapCrossSigning({});
      t.match(await other.crypto.getCrossSigningStatus(), {
        publicKeysOnDevice: true,
        privateKeysInSecretStorage: true,
        privateKeysCachedLocally: { masterKey: true, selfSigningKey: true, userSigningKey: true },
      });
      t.ok(await other.crypto.isCrossSigningReady());
    });

    await t.test("an empty store has its device signed by the same identity", async (t) => {
      const { outcome, deviceId } = await startFresh(t, account, recoveryKey);
      t.strictSame(outcome, { kind: "signed", identity: "restored", backup: "kept" });
      const room = await user.createRoom({ invite: [account.userId] });
      await user.seesMember(room, account.userId);
      const devices = await user.devicesOf(account.userId);
      t.match(
        devices.find(({ id }) => id === deviceId),
        { signedByOwner: true },
      );
      t.notOk(await user.identityChanged(account.userId));
    });

    await t.test("without the recovery key it goes on unsigned, and replaces nothing", async (t) => {
      const { outcome, deviceId } = await startFresh(t, account);
      t.strictSame(outcome, { kind: "unsigned", reason: "identity-elsewhere" });
      const room = await user.createRoom({ invite: [account.userId] });
      await user.seesMember(room, account.userId);
      await user.sendText(room, "unsigned?");
      await user.nextMessage({ text: "echo unsigned?" });
      const devices = await user.devicesOf(account.userId);
      t.match(
        devices.find(({ id }) => id === deviceId),
        { signedByOwner: false },
      );
      t.notOk(await user.identityChanged(account.userId));
    });

    await t.test("another recovery key is said to be wrong", async (t) => {
      const { outcome } = await startFresh(t, account, encodeRecoveryKey(randomBytes(32)));
      t.strictSame(outcome, { kind: "unsigned", reason: "wrong-recovery-key" });
    });
  });

  t.test("a recovery key that matrix-js-sdk made restores the identity that it made", async (t) => {
    const account = await synapse.registerUser("theirs");
    let secret: Uint8Array<ArrayBuffer> | undefined;
    const owner = await startOther(t, account, () => secret);
    await owner.crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (upload) => {
        await upload(null);
      },
    });
    const made = await owner.crypto.createRecoveryKeyFromPassphrase();
    secret = made.privateKey;
    await owner.crypto.bootstrapSecretStorage({
      setupNewSecretStorage: true,
      createSecretStorageKey: async () => made,
    });
    t.ok((await owner.crypto.getCrossSigningStatus()).privateKeysInSecretStorage);
    const { outcome, deviceId } = await startFresh(t, account, made.encodedPrivateKey);
    t.strictSame(outcome, { kind: "signed", identity: "restored", backup: "kept" });
    await owner.crypto.getUserDeviceInfo([account.userId], true);
    const status = await owner.crypto.getDeviceVerificationStatus(account.userId, deviceId);
    t.ok(status?.crossSigningVerified);
  });
});
