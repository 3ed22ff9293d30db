// SPDX-License-Identifier: Apache-2.0
// Tests emoji verification between matrix-js-sdk and the bot on a real homeserver: in a room, from device to device, and by those
// who get no answer.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import {
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  VerifierEvent,
} from "matrix-js-sdk/lib/crypto-api/index.js";
import t, { type Test } from "tap";
import { startUser, type User } from "../../scripts/homeserver/client/user.ts";
import { eventually } from "../../scripts/local/eventually.ts";
import { requestsOf } from "../../server/matrix/crypto/homeserver-requests.ts";
import { startBotConnection } from "./bot-connection.ts";
import { synapseFor } from "./synapse.ts";

const SECONDS = 60;

/** Resolves when a request is in `phase`, and rejects when it is cancelled instead. */
const reaches = (request: VerificationRequest, phase: VerificationPhase): Promise<void> =>
  new Promise((resolve, reject) => {
    const end = setTimeout(
      () => reject(new Error(`the verification stays in phase ${request.phase}`)),
      SECONDS * 1000,
    );
    const look = () => {
      const isCancelled = request.phase === VerificationPhase.Cancelled;
      if (request.phase !== phase && !isCancelled) return;
      clearTimeout(end);
      request.off(VerificationRequestEvent.Change, look);
      if (request.phase === phase) resolve();
      else reject(new Error(`cancelled: ${request.cancellationCode}`));
    };
    request.on(VerificationRequestEvent.Change, look);
    look();
  });

const cryptoOf = ({ client }: User) => {
  const crypto = client.getCrypto();
  if (crypto === undefined) throw new Error("the client has no encryption");
  return crypto;
};

/** Begins to compare; answers what the user is shown. */
const compare = async (request: VerificationRequest) => {
  await reaches(request, VerificationPhase.Ready);
  const verifier = await request.startVerification("m.sas.v1");
  const shown = new Promise<ShowSasCallbacks>((resolve) => verifier.once(VerifierEvent.ShowSas, resolve));
  const end = verifier.verify();
  end.catch(() => {});
  const callbacks = await Promise.race([
    shown,
    end.then(() => Promise.reject(new Error("ended without emoji"))),
  ]);
  const emoji = (callbacks.sas.emoji ?? []).map(([symbol]) => symbol);
  return { ...callbacks, emoji, end };
};

const Signatures = Type.Object({
  master_keys: Type.Record(
    Type.String(),
    Type.Object({ signatures: Type.Optional(Type.Record(Type.String(), Type.Unknown())) }),
  ),
});

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const { baseUrl } = synapse;
  const account = await synapse.registerUser("bot");
  const open = async (t: Test, one: { userId: string; password: string }): Promise<User> => {
    const user = await startUser({ baseUrl, ...one });
    t.teardown(() => user.stop());
    return user;
  };
  const alice = await open(t, await synapse.registerUser("alice"));
  await alice.crossSign();
  // The bot's own account is allowed as well: its other devices get no answer all the same.
  const bot = await startBotConnection(t, {
    homeserver: synapse,
    account,
    folder: t.testdir(),
    allowed: [alice.userId, account.userId],
  });
  const room = await alice.createRoom({ invite: [bot.userId] });
  await alice.seesMember(room, bot.userId);
  await alice.devicesOf(bot.userId);
  const crypto = cryptoOf(alice);

  const logged = (text: string): string[] => bot.logged.filter((line) => line.includes(text));
  const isVerified = async () =>
    (await crypto.getUserVerificationStatus(bot.userId)).isCrossSigningVerified();
  /** Whether the bot has signed alice's identity, which is what a person's client does at the end. */
  const isSignedByBot = async (): Promise<boolean> => {
    const request = requestsOf(bot.sdk);
    const { body } = await request("POST", "keys/query", { device_keys: { [alice.userId]: [] } });
    const keys = Value.Decode(Signatures, body).master_keys[alice.userId];
    return Object.hasOwn(keys?.signatures ?? {}, bot.userId);
  };

  /** Alice's client ends a request before she may make another, which is when its next sync comes. */
  const settled = async (text: string): Promise<void> => {
    await bot.chat.send(room, text, text);
    await alice.nextMessage({ room, text });
  };

  await t.test(
    "in the room: the emoji are in the log and in the room, and alice has verified the bot",
    async (t) => {
      t.notOk(await isVerified());
      const request = await crypto.requestVerificationDM(bot.userId, room);
      const { emoji, confirm, end } = await compare(request);
      t.equal(emoji.length, 7);
      const said = await alice.nextMessage({ room, from: bot.userId, text: /^Verification: / });
      t.match(said, { kind: "m.notice", encrypted: true });
      for (const symbol of emoji) t.ok(said.text?.includes(symbol));
      const [line = ""] = logged("the emoji of a verification");
      for (const symbol of emoji) t.ok(line.includes(symbol));
      await confirm();
      await end;
      await reaches(request, VerificationPhase.Done);
      await eventually("alice's client knows that she has verified the bot", isVerified);
      t.notOk(await isSignedByBot(), "nobody has compared anything for the bot");
    },
  );

  await t.test("from device to device, after the one before: the direct room has the emoji", async (t) => {
    const request = await crypto.requestDeviceVerification(bot.userId, bot.deviceId);
    const { emoji, confirm, end } = await compare(request);
    const said = await alice.nextMessage({ room, from: bot.userId, text: /^Verification: / });
    for (const symbol of emoji) t.ok(said.text?.includes(symbol));
    await confirm();
    await end;
    await reaches(request, VerificationPhase.Done);
    t.notOk(await isSignedByBot());
  });

  await t.test("emoji that differ: the bot hears of it, and the next one works", async (t) => {
    await settled("one");
    const request = await crypto.requestDeviceVerification(bot.userId, bot.deviceId);
    const { mismatch, end } = await compare(request);
    mismatch();
    await t.rejects(end);
    await alice.sendText(room, "marker");
    await bot.until("message marker");
    t.match(logged("a verification was cancelled").at(-1), /m\.mismatched_sas/);
    await settled("two");
    const next = await compare(await crypto.requestDeviceVerification(bot.userId, bot.deviceId));
    t.equal(next.emoji.length, 7);
    next.cancel();
  });

  await t.test("who may not command the bot gets no answer, and neither does its own account", async (t) => {
    const mallory = await open(t, await synapse.registerUser("mallory"));
    const own = await open(t, account);
    await mallory.crossSign();
    const shared = await alice.createRoom({ invite: [bot.userId, mallory.userId] });
    await mallory.join(shared);
    await mallory.seesMember(shared, bot.userId);
    await mallory.devicesOf(bot.userId);
    await own.devicesOf(bot.userId);
    const asked = [
      await cryptoOf(mallory).requestDeviceVerification(bot.userId, bot.deviceId),
      await cryptoOf(own).requestDeviceVerification(bot.userId, bot.deviceId),
      await cryptoOf(mallory).requestVerificationDM(bot.userId, shared),
    ];
    const from = bot.told.length;
    await mallory.sendText(shared, "mallory's marker");
    await bot.until("message mallory's marker", from);
    for (const { phase, cancellingUserId } of asked) {
      t.ok(phase === VerificationPhase.Requested || phase === VerificationPhase.Cancelled);
      t.not(cancellingUserId, bot.userId, "mallory's client ends two at a time by itself");
    }
    t.equal(logged("asks for a verification").length, 4, "those of alice");
  });
});
