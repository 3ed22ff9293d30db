// SPDX-License-Identifier: Apache-2.0
// Wraps the crypto machine of either engine for matrix-bot-sdk: intercepts what the SDK handles wrongly, and notifies an
// observer.
import { monotonicClock } from "../../time.ts";
import { KnownSessions } from "./known-sessions.ts";
import type { CurrentDeviceTrust } from "./message-origins.ts";
import { type CryptoRequest, type DecryptedRoomEvent, type OlmMachine, RequestType } from "./olm-machine.ts";
import { quietMachine } from "./quiet-machine.ts";
import { createSyncNews } from "./sync-news.ts";
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

/** The methods that are not mentioned are the machine's own. `now`: milliseconds, monotonic. */
export const guardMachine = (
  inner: OlmMachine,
  observer: MachineObserver,
  now: () => number = monotonicClock.now,
): OlmMachine => {
  const machine = quietMachine(inner, now);
  const news = createSyncNews(now);
  const sessions = new KnownSessions(now);
  const guarded: Partial<OlmMachine> = {
    ...sharing(machine, sessions),
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
        .finally(() => sessions.changed());
      taken();
      verifications.after(events, decrypted);
      return decrypted;
    },
    async markRequestAsSent(id, type, response) {
      news.forget();
      const isMarked = await machine.markRequestAsSent(id, type, response).finally(() => {
        // To-device messages that were sent change no session.
        if (type !== RequestType.toDevice) sessions.changed();
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

/** What matrix-bot-sdk does before each message: it looks who lacks the room's key. */
const sharing = (
  machine: OlmMachine,
  sessions: KnownSessions,
): Pick<OlmMachine, "updateTrackedUsers" | "getMissingSessions" | "shareRoomKey"> => ({
  updateTrackedUsers: (users) => sessions.following(users, () => machine.updateTrackedUsers(users)),
  // While a key query has yet to be sent, the machine would wait five seconds for its answer. matrix-bot-sdk asks under
  // the lock under which that query would be sent, and incoming keys too wait for that lock. It asks again before it sends
  // a message, when the query has been answered.
  async getMissingSessions(users) {
    const requests = await machine.outgoingRequests();
    if (requests.some(({ type }) => type === RequestType.keysQuery)) return null;
    return sessions.missing(users ?? [], () => machine.getMissingSessions(users));
  },
  // matrix-bot-sdk gives milliseconds, as the room's settings do. Unchanged, a weekly rotation would come every ten minutes.
  shareRoomKey(room, users, settings) {
    settings.rotationPeriod *= 1000n;
    settings.sharingStrategy = 0;
    return machine.shareRoomKey(room, users, settings);
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
