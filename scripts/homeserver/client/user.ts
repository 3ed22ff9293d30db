// SPDX-License-Identifier: Apache-2.0
// Simulates a person with a Matrix client: matrix-js-sdk with its encryption, in this process and in memory.
import { createClient, type MatrixClient } from "matrix-js-sdk";
import {
  AllDevicesIsolationMode,
  CrossSigningKey,
  OnlySignedDevicesIsolationMode,
} from "matrix-js-sdk/lib/crypto-api/index.js";
import { firstSync } from "./client-state.ts";
import { devicesOf, type KnownDevice } from "./known-devices.ts";
import { type Messages, messagesOf } from "./messages.ts";
import { quietClient } from "./quiet-client.ts";
import { type Rooms, roomsOf } from "./rooms.ts";
import { keepSeenEvents, type SeenEvents } from "./seen-events.ts";

export type UserOptions = {
  readonly baseUrl: string;
  readonly userId: string;
  readonly password: string;
  /** Shares keys with, and reads messages of, cross-signed devices alone, as MSC4153 has it. */
  readonly onlySignedDevices?: boolean;
};

export type User = SeenEvents &
  Rooms &
  Messages & {
    readonly userId: string;
    readonly deviceId: string;
    /** The client itself, for what is rarely needed. */
    readonly client: MatrixClient;
    /** Makes a cross-signing identity, and signs this device with it. Called again it makes a new one: a reset. */
    crossSign(): Promise<void>;
    /** The public master key of this user's own identity. */
    masterKey(): Promise<string | null>;
    /** The devices of a user that have keys, as the homeserver has them now. */
    devicesOf(userId: string): Promise<readonly KnownDevice[]>;
    /** Whether a user's identity is another one than this client saw first. */
    identityChanged(userId: string): Promise<boolean>;
    /** Why a client would show a warning at a message, or undefined. A number of the client's EventShieldReason. */
    warningAt(room: string, eventId: string): Promise<number | undefined>;
    /** Ends the client; its device stays on the homeserver. */
    stop(): Promise<void>;
  };

/** How long the homeserver may take to answer; a sync may take longer. */
const ANSWER_MS = 60_000;

const quiet = () => {};
const silent = {
  ...{ trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
  getChild: () => silent,
};

/** Logs a user in with a new device, and answers when its first sync is done. */
export const startUser = async (options: UserOptions): Promise<User> => {
  const { baseUrl, userId, password, onlySignedDevices = false } = options;
  quietClient();
  const identifier = { type: "m.id.user", user: userId };
  const anonymous = createClient({ baseUrl, logger: silent, localTimeoutMs: ANSWER_MS });
  const { device_id: deviceId, access_token: accessToken } = await anonymous.loginRequest({
    type: "m.login.password",
    identifier,
    password,
  });
  const client = createClient({
    ...{ baseUrl, userId, deviceId, accessToken },
    logger: silent,
    disableVoip: true,
    localTimeoutMs: ANSWER_MS,
  });
  await client.initRustCrypto({ useIndexedDB: false });
  const crypto = client.getCrypto();
  if (crypto === undefined) throw new Error("the client has no encryption");
  crypto.setDeviceIsolationMode(
    onlySignedDevices ? new OnlySignedDevicesIsolationMode() : new AllDevicesIsolationMode(false),
  );
  const events = keepSeenEvents(client);
  const synced = firstSync(client);
  await client.startClient({ initialSyncLimit: 50 });
  await synced;

  return {
    ...events,
    ...roomsOf(client, crypto),
    ...messagesOf(client, baseUrl, accessToken),
    userId,
    deviceId,
    client,
    crossSign: () =>
      crypto.bootstrapCrossSigning({
        setupNewCrossSigning: true,
        authUploadDeviceSigningKeys: async (upload) => {
          await upload({ type: "m.login.password", identifier, password });
        },
      }),
    masterKey: () => crypto.getCrossSigningKeyId(CrossSigningKey.Master),
    devicesOf: (owner) => devicesOf(client, crypto, owner),
    identityChanged: async (owner) => (await crypto.getUserVerificationStatus(owner)).needsUserApproval,
    warningAt: async (room, eventId) => {
      const event = client.getRoom(room)?.findEventById(eventId);
      if (event === undefined) throw new Error(`${eventId} was not seen`);
      return (await crypto.getEncryptionInfoForEvent(event))?.shieldReason ?? undefined;
    },
    stop: async () => {
      client.stopClient();
      client.removeAllListeners();
    },
  };
};
