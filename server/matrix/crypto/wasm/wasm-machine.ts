// SPDX-License-Identifier: Apache-2.0
// Adapts the WASM package's machine to the methods, request shapes and enum values of the native one.
import * as wasm from "@matrix-org/matrix-sdk-crypto-wasm";
import type { DecryptedRoomEvent, DeviceLists, EncryptionSettings, Id, OlmMachine } from "../olm-machine.ts";
import { ShieldCode } from "../olm-machine.ts";
import { wasmIdentityAccess } from "./wasm-identity-access.ts";
import { asCryptoRequest, asOutgoingRequest, asToDeviceRequest } from "./wasm-requests.ts";
import { wasmVerification } from "./wasm-verification.ts";

/** An event could not be decrypted. `code` is a DecryptionErrorCode of the WASM package, such as 0 for a missing key. */
class DecryptionFailure extends Error {
  readonly code: number;
  constructor(error: wasm.MegolmDecryptionError) {
    super(error.description);
    this.code = error.code;
  }
}

const userIds = (ids: readonly Id[]): wasm.UserId[] => ids.map((id) => new wasm.UserId(id.toString()));

const roomId = (id: Id): wasm.RoomId => new wasm.RoomId(id.toString());

/** Devices of allowed users are trusted (see identity-pins.ts for what is checked instead), so nothing is left out here. */
const decryptionSettings = (): wasm.DecryptionSettings =>
  new wasm.DecryptionSettings(wasm.TrustRequirement.Untrusted);

const isDeviceLists = (
  lists: DeviceLists,
): lists is DeviceLists & { changed: readonly Id[]; left: readonly Id[] } =>
  "changed" in lists && "left" in lists;

/** The two packages number these differently. */
const shieldCode = (code: wasm.ShieldStateCode | undefined): number => {
  if (code === undefined) return ShieldCode.none;
  if (code === wasm.ShieldStateCode.MismatchedSender) return ShieldCode.mismatchedSender;
  return code === wasm.ShieldStateCode.VerificationViolation ? ShieldCode.verificationViolation : code;
};

const roomSettings = (settings: EncryptionSettings): wasm.EncryptionSettings => {
  const made = new wasm.EncryptionSettings();
  made.algorithm = settings.algorithm ?? wasm.EncryptionAlgorithm.MegolmV1AesSha2;
  made.rotationPeriod = settings.rotationPeriod;
  made.rotationPeriodMessages = settings.rotationPeriodMessages;
  made.historyVisibility = settings.historyVisibility;
  // Never a strategy that fails, or leaves devices out, when somebody's identity has changed.
  made.sharingStrategy = wasm.CollectStrategy.allDevices();
  return made;
};

const decrypt = async (machine: wasm.OlmMachine, event: string, room: Id): Promise<DecryptedRoomEvent> => {
  try {
    const decrypted = await machine.decryptRoomEvent(event, roomId(room), decryptionSettings());
    return {
      event: decrypted.event,
      sender: decrypted.sender,
      senderDevice: decrypted.senderDevice ?? null,
      senderCurve25519Key: decrypted.senderCurve25519Key,
      shieldState: (strict) => ({ code: shieldCode(decrypted.shieldState(strict).code) }),
    };
  } catch (error) {
    throw error instanceof wasm.MegolmDecryptionError ? new DecryptionFailure(error) : error;
  }
};

/** By key; null where the signer has made none. */
const signaturesOf = (signatures: wasm.Signatures, signer: Id) => {
  const found = signatures.get(new wasm.UserId(signer.toString()));
  if (found === undefined) return null;
  return Object.fromEntries(
    [...found].map(([key, one]) => [key, { isValid: one.isValid(), signature: one.signature ?? null }]),
  );
};

export const wasmMachine = (machine: wasm.OlmMachine): OlmMachine => ({
  ...wasmIdentityAccess(machine),
  verification: wasmVerification(machine),
  get identityKeys() {
    return machine.identityKeys;
  },
  async receiveSyncChanges(toDeviceEvents, changedDevices, oneTimeKeyCounts, unusedFallbackKeys) {
    if (!isDeviceLists(changedDevices)) throw new TypeError("device lists of another package");
    const { changed, left } = changedDevices;
    const events = await machine.receiveSyncChanges(
      toDeviceEvents,
      new wasm.DeviceLists(userIds(changed), userIds(left)),
      new Map(Object.entries(oneTimeKeyCounts)),
      new Set(unusedFallbackKeys),
      decryptionSettings(),
    );
    const readable = events.filter(({ type }) => type === wasm.ProcessedToDeviceEventType.Decrypted);
    return `[${readable.map((event) => event.rawEvent).join(",")}]`;
  },
  outgoingRequests: async () => (await machine.outgoingRequests()).map(asOutgoingRequest),
  markRequestAsSent: (id, type, response) => machine.markRequestAsSent(id, type, response),
  async getMissingSessions(users) {
    const request = await machine.getMissingSessions(userIds(users ?? []));
    return request ? asCryptoRequest(request) : null;
  },
  updateTrackedUsers: (users) => machine.updateTrackedUsers(userIds(users)),
  shareRoomKey: async (room, users, settings) =>
    (await machine.shareRoomKey(roomId(room), userIds(users), roomSettings(settings))).map(asToDeviceRequest),
  encryptRoomEvent: (room, type, content) => machine.encryptRoomEvent(roomId(room), type, content),
  decryptRoomEvent: (event, room) => decrypt(machine, event, room),
  async sign(message) {
    const signatures = await machine.sign(message);
    return { get: (signer) => signaturesOf(signatures, signer) };
  },
  queryKeysForUsers: (users) => asCryptoRequest(machine.queryKeysForUsers(userIds(users))),
  crossSigningStatus: () => machine.crossSigningStatus(),
  async bootstrapCrossSigning(reset) {
    const requests = await machine.bootstrapCrossSigning(reset);
    const upload: unknown = requests.uploadKeysRequest;
    return {
      ...(upload instanceof wasm.KeysUploadRequest && { uploadKeysReq: asCryptoRequest(upload) }),
      uploadSigningKeysReq: requests.uploadSigningKeysRequest.body,
      uploadSignaturesReq: asCryptoRequest(requests.uploadSignaturesRequest),
    };
  },
  getDevice: async (user, device) =>
    (await machine.getDevice(new wasm.UserId(user.toString()), new wasm.DeviceId(device.toString()))) ?? null,
  close: () => machine.close(),
});
