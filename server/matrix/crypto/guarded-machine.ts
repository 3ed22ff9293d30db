// SPDX-License-Identifier: Apache-2.0
// Wraps the crypto machine of either engine for matrix-bot-sdk: intercepts what the SDK handles wrongly, and notifies an
// observer.
import { monotonicClock, wallClock } from "../../time.ts";
import type { CurrentDeviceTrust } from "./message-origins.ts";
import { type CryptoRequest, type DecryptedRoomEvent, type OlmMachine, RequestType } from "./olm-machine.ts";
import { quietMachine } from "./quiet-machine.ts";
import { createRoomKeyReuse, type RoomKeyReuse, sharingOf, usersText } from "./room-key-reuse.ts";
import { createSyncNews } from "./sync-news.ts";
import { notKept, type UnusedKeys } from "./unused-keys.ts";
import { type ToDeviceGuard, withoutVerifications } from "./verification-port.ts";

/** What a machine tells. */
export type MachineObserver = {
  /** An event was decrypted; `event` is the JSON of the encrypted one, `device` its sender's as the machine knows it now. */
  decrypted(event: string, result: DecryptedRoomEvent, device: CurrentDeviceTrust): void;
  /** The machine has learned the devices and identities of users anew. */
  identitiesUpdated(): Promise<void>;
  /** The machine wants to publish signatures, which matrix-bot-sdk can't. */
  signatures(request: CryptoRequest): void;
  /** Decides which events of verifications the machine gets. Unless given, none. */
  readonly verifications?: ToDeviceGuard;
  /** Unless given, they are not known after a restart. */
  readonly unusedKeys?: UnusedKeys;
};

/** matrix-bot-sdk throws on any other, and with it gives up the ones behind it. */
const SENT_BY_BOT_SDK: readonly number[] = [
  RequestType.keysUpload,
  RequestType.keysQuery,
  RequestType.keysClaim,
  RequestType.toDevice,
];

/** The result itself goes by the identity that its owner had when the session's key came. */
const deviceNow = async (
  machine: OlmMachine,
  { sender, senderDevice, senderCurve25519Key }: DecryptedRoomEvent,
): Promise<CurrentDeviceTrust> => {
  const device = sender && senderDevice && (await machine.getDevice(sender, senderDevice));
  if (!device) return "unknown";
  // The homeserver gives out device ids, and may give one anew to a device with other keys.
  const key = device.curve25519Key?.toBase64();
  if (key !== undefined && key !== senderCurve25519Key) return "unknown";
  return device.isCrossSignedByOwner() ? "signed" : "unsigned";
};

type Clocks = {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
};

/** The methods that are not mentioned are the machine's own. */
export const guardMachine = (
  inner: OlmMachine,
  observer: MachineObserver,
  { now, wall }: Clocks = { now: monotonicClock.now, wall: wallClock.now },
): OlmMachine => {
  const machine = quietMachine(inner, now);
  const news = createSyncNews(now);
  const reuse = createRoomKeyReuse(wall, observer.unusedKeys ?? notKept);
  const guarded: Partial<OlmMachine> = {
    ...sharing(machine, reuse),
    async updateTrackedUsers(users) {
      const text = usersText(users);
      if (reuse.isTracked(text)) return;
      await machine.updateTrackedUsers(users);
      reuse.tracked(text);
    },
    async outgoingRequests() {
      const requests = await machine.outgoingRequests();
      for (const request of requests) {
        if (request.type === RequestType.signatureUpload) observer.signatures(request);
      }
      const isSentHere = (request: CryptoRequest) =>
        inner.verification?.isVerificationRequest(request) === true;
      return requests
        .filter((request) => SENT_BY_BOT_SDK.includes(request.type) && !isSentHere(request))
        .map(withToDeviceBody);
    },
    async receiveSyncChanges(events, ...rest) {
      const taken = news.look(events, ...rest);
      if (taken === undefined) return "[]";
      const verifications = observer.verifications ?? withoutVerifications;
      const decrypted = await machine
        .receiveSyncChanges(await verifications.before(events), ...rest)
        .finally(reuse.changed.bind(reuse));
      taken();
      verifications.after(events, decrypted);
      return decrypted;
    },
    async markRequestAsSent(id, type, response) {
      news.forget();
      const isMarked = await machine.markRequestAsSent(id, type, response).finally(() => {
        // To-device messages that were sent change nothing about who has a key: they hold it.
        if (type !== RequestType.toDevice) reuse.changed();
      });
      if (type === RequestType.keysQuery) await observer.identitiesUpdated();
      return isMarked;
    },
    async decryptRoomEvent(event, room) {
      const result = await machine.decryptRoomEvent(event, room);
      observer.decrypted(event, result, await deviceNow(machine, result));
      return result;
    },
  };
  return new Proxy(machine, {
    get(target, name) {
      const own: unknown = Reflect.get(guarded, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
};

/** What matrix-bot-sdk does before each message and with it: it looks who lacks the room's key. */
const sharing = (
  machine: OlmMachine,
  reuse: RoomKeyReuse,
): Pick<OlmMachine, "getMissingSessions" | "shareRoomKey" | "encryptRoomEvent"> => ({
  // While a key query has yet to be sent, the machine would wait five seconds for its answer. matrix-bot-sdk asks under
  // the lock under which that query would be sent, and incoming keys too wait for that lock. It asks again before it sends
  // a message, when the query has been answered.
  async getMissingSessions(users) {
    const text = usersText(users ?? []);
    if (reuse.hasSessions(text)) return null;
    const requests = await machine.outgoingRequests();
    if (requests.some(({ type }) => type === RequestType.keysQuery)) return null;
    const asked = reuse.look();
    const missing = await machine.getMissingSessions(users);
    if (missing === null) reuse.foundSessions(text, asked);
    return missing;
  },
  // matrix-bot-sdk gives milliseconds, as the room's settings do. Unchanged, a weekly rotation would come every ten minutes.
  async shareRoomKey(room, users, settings) {
    const terms = sharingOf(usersText(users), settings);
    if (reuse.allows(room.toString(), terms)) return [];
    settings.rotationPeriod *= 1000n;
    settings.sharingStrategy = 0;
    const asked = reuse.look();
    const requests = await machine.shareRoomKey(room, users, settings);
    reuse.shared(room.toString(), terms, asked, requests.length);
    return requests;
  },
  async encryptRoomEvent(room, type, content) {
    try {
      const encrypted = await machine.encryptRoomEvent(room, type, content);
      reuse.used(room.toString(), encrypted);
      return encrypted;
    } catch (error) {
      reuse.failed(room.toString());
      throw error;
    }
  },
});

/** matrix-bot-sdk takes the type and the transaction of these from the body, where the packages have no longer put them. */
const withToDeviceBody = (request: CryptoRequest): CryptoRequest => {
  if (request.type !== RequestType.toDevice || !("txnId" in request) || !("eventType" in request)) {
    return request;
  }
  const { id, type, txnId, eventType } = request;
  const body: unknown = JSON.parse(request.body);
  const messages = typeof body === "object" && body !== null && "messages" in body ? body.messages : body;
  return { id, type, body: JSON.stringify({ txn_id: txnId, event_type: eventType, messages }) };
};
