// SPDX-License-Identifier: Apache-2.0
// A person with a Matrix client: matrix-js-sdk with its encryption, in this process and in memory.
import { randomUUID } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { createClient, EventType, type MatrixClient, Preset, Visibility } from "matrix-js-sdk";
import {
  AllDevicesIsolationMode,
  CrossSigningKey,
  OnlySignedDevicesIsolationMode,
} from "matrix-js-sdk/lib/crypto-api/index.js";
import { request } from "undici";
import { ANSWER_LIMITS } from "../../local/answer-limits.ts";
import { eventually } from "../../local/eventually.ts";
import { firstSync, whenRoomChanges } from "./client-state.ts";
import { quietClient } from "./quiet-client.ts";
import { keepSeenEvents, type SeenEvents } from "./seen-events.ts";

export type UserOptions = {
  readonly baseUrl: string;
  readonly userId: string;
  readonly password: string;
  /** Shares keys with, and reads messages of, cross-signed devices alone, as MSC4153 has it. */
  readonly onlySignedDevices?: boolean;
};

/** A device as this user's client knows it. */
type KnownDevice = {
  readonly id: string;
  /** Its Ed25519 key, base64. */
  readonly fingerprint: string | undefined;
  /** Whether its owner's cross-signing identity has signed it. */
  readonly signedByOwner: boolean;
};

/** An event of a room, within the encryption if the room has one. */
type RawEvent = { readonly type: string; readonly content: Readonly<Record<string, unknown>> };

export type User = SeenEvents & {
  readonly userId: string;
  readonly deviceId: string;
  /** The client itself, for what is rarely needed. */
  readonly client: MatrixClient;
  /** Makes a room, encrypted unless said otherwise, and answers with its id when it can be written in. */
  createRoom(options?: { encrypted?: boolean; invite?: readonly string[]; name?: string }): Promise<string>;
  invite(room: string, userId: string): Promise<void>;
  /** Joins, and answers when the client knows the room and its encryption. */
  join(room: string): Promise<void>;
  leave(room: string): Promise<void>;
  /** Waits for an invitation to this user, and answers with the room's id. */
  invitation(room?: string): Promise<string>;
  /** Waits until this client sees a user's membership; what is sent before is not encrypted for them. */
  seesMember(room: string, userId: string, membership?: string, seconds?: number): Promise<void>;
  /** Each of these answers with the id of the event that was sent. */
  sendText(room: string, text: string): Promise<string>;
  sendNotice(room: string, text: string): Promise<string>;
  edit(room: string, eventId: string, text: string): Promise<string>;
  react(room: string, eventId: string, key: string): Promise<string>;
  send(room: string, event: RawEvent): Promise<string>;
  /** As a homeserver could forge it: without encryption, in an encrypted room too. */
  sendUnencrypted(room: string, event: RawEvent): Promise<string>;
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

const Sent = Type.Object({ event_id: Type.String() });

/** How long the homeserver may take to answer; a sync may take longer. */
const ANSWER_MS = 30_000;

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

  const send = async (room: string, { type, content }: RawEvent): Promise<string> => {
    // @ts-expect-error: the client's type lists the events that it knows of; a test may send any.
    const { event_id: id } = await client.sendEvent(room, type, content);
    return id;
  };
  const knownDevicesOf = async (owner: string): Promise<readonly KnownDevice[]> => {
    const devices = (await crypto.getUserDeviceInfo([owner], true)).get(owner);
    return Promise.all(
      [...(devices?.values() ?? [])].map(async (device) => {
        const status = await crypto.getDeviceVerificationStatus(owner, device.deviceId);
        return {
          id: device.deviceId,
          fingerprint: device.getFingerprint(),
          signedByOwner: status?.signedByOwner ?? false,
        };
      }),
    );
  };
  const message = (msgtype: string, body: string) => ({ type: "m.room.message", content: { msgtype, body } });
  const stateOf = (room: string) => client.getRoom(room)?.currentState;
  const isEncrypted = (room: string) => stateOf(room)?.getStateEvents(EventType.RoomEncryption, "") !== null;
  const roomIs = (what: string, check: () => boolean, seconds?: number) =>
    whenRoomChanges(client, what, check, seconds);
  const writable = async (room: string) => {
    await roomIs(`${room} joined`, () => client.getRoom(room)?.getMyMembership() === "join");
    if (isEncrypted(room) && !(await crypto.isEncryptionEnabledInRoom(room)))
      throw new Error(`the client does not know that ${room} is encrypted`);
  };

  return {
    ...events,
    userId,
    deviceId,
    client,
    createRoom: async ({ encrypted = true, invite = [], name } = {}) => {
      const { room_id: room } = await client.createRoom({
        preset: Preset.PrivateChat,
        visibility: Visibility.Private,
        invite: [...invite],
        ...(name === undefined ? {} : { name }),
        initial_state: encrypted
          ? [
              {
                type: EventType.RoomEncryption,
                state_key: "",
                content: { algorithm: "m.megolm.v1.aes-sha2" },
              },
            ]
          : [],
      });
      await writable(room);
      return room;
    },
    invite: async (room, invited) => void (await client.invite(room, invited)),
    join: async (room) => {
      await client.joinRoom(room);
      await writable(room);
    },
    leave: async (room) => void (await client.leave(room)),
    invitation: async (room) => {
      const invited = () =>
        client
          .getRooms()
          .find(
            (known) => known.getMyMembership() === "invite" && (room === undefined || known.roomId === room),
          );
      await roomIs("an invitation", () => invited() !== undefined);
      return invited()?.roomId ?? "";
    },
    seesMember: (room, member, membership = "join", seconds) =>
      roomIs(
        `${member} ${membership}`,
        () => stateOf(room)?.getMember(member)?.membership === membership,
        seconds,
      ),
    sendText: (room, text) => send(room, message("m.text", text)),
    sendNotice: (room, text) => send(room, message("m.notice", text)),
    edit: (room, eventId, text) =>
      send(room, {
        type: "m.room.message",
        content: {
          msgtype: "m.text",
          body: `* ${text}`,
          "m.new_content": { msgtype: "m.text", body: text },
          "m.relates_to": { rel_type: "m.replace", event_id: eventId },
        },
      }),
    react: (room, eventId, key) =>
      send(room, {
        type: "m.reaction",
        content: { "m.relates_to": { rel_type: "m.annotation", event_id: eventId, key } },
      }),
    send,
    sendUnencrypted: async (room, { type, content }) => {
      const path = ["rooms", room, "send", type, randomUUID()].map(encodeURIComponent).join("/");
      const { statusCode, body } = await request(`${baseUrl}/_matrix/client/v3/${path}`, {
        method: "PUT",
        headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
        ...ANSWER_LIMITS,
        body: JSON.stringify(content),
      });
      const answer: unknown = await body.json();
      if (statusCode === 200 && Value.Check(Sent, answer)) return answer.event_id;
      throw new Error(`the homeserver answered with ${statusCode}`);
    },
    crossSign: () =>
      crypto.bootstrapCrossSigning({
        setupNewCrossSigning: true,
        authUploadDeviceSigningKeys: async (upload) => {
          await upload({ type: "m.login.password", identifier, password });
        },
      }),
    masterKey: () => crypto.getCrossSigningKeyId(CrossSigningKey.Master),
    devicesOf: async (owner) => {
      const meets = client
        .getRooms()
        .some((known) => known.hasMembershipState(owner, "join") && isEncrypted(known.roomId));
      if (!meets) return knownDevicesOf(owner);
      // Of those whom it encrypts for the client asks again only when a sync tells it of a change, so it is compared with
      // what the homeserver says now.
      const asked = await client.downloadKeysForUsers([owner]);
      const [signer = ""] = Object.values(asked.self_signing_keys?.[owner]?.keys ?? {});
      const published = Object.values(asked.device_keys[owner] ?? {}).map(({ device_id: id, signatures }) => {
        const signed = signatures?.[owner]?.[`ed25519:${signer}`] !== undefined;
        return `${id} ${signed}`;
      });
      return eventually(`${userId} knows the devices of ${owner}: ${published}`, async () => {
        const known = await knownDevicesOf(owner);
        const seen = known.map(({ id, signedByOwner }) => `${id} ${signedByOwner}`);
        return seen.sort().join() === published.sort().join() ? known : undefined;
      });
    },
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
