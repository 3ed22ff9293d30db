// SPDX-License-Identifier: Apache-2.0
// Defines the crypto machine as Keyswitch and matrix-bot-sdk use it, for both engines, with what Keyswitch needs beyond the
// native package.

import type { VerificationAccess } from "./verification-access.ts";

/** An id of a user, a device or a room; the packages have a class for each. */
export type Id = { toString(): string };

/** https://matrix-org.github.io/matrix-rust-sdk-crypto-wasm/enums/RequestType.html; the native package has the same numbers. */
export const RequestType = {
  keysUpload: 0,
  keysQuery: 1,
  keysClaim: 2,
  toDevice: 3,
  signatureUpload: 4,
  roomMessage: 5,
  keysBackup: 6,
} as const;

/** A request to the homeserver that the machine wants sent; `body` is JSON. */
export type CryptoRequest = { readonly id: string; readonly type: number; readonly body: string };

export type ToDeviceRequest = CryptoRequest & { readonly txnId: string; readonly eventType: string };

/** The native package's ShieldStateCode. */
export const ShieldCode = {
  authenticityNotGuaranteed: 0,
  unknownDevice: 1,
  unsignedDevice: 2,
  unverifiedIdentity: 3,
  mismatchedSender: 4,
  verificationViolation: 5,
  none: 6,
} as const;

export type DecryptedRoomEvent = {
  /** JSON. */
  readonly event: string;
  readonly sender: Id | null;
  readonly senderDevice: Id | null;
  /** Of the device that made the session, base64. */
  readonly senderCurve25519Key: string | null;
  shieldState(strict: boolean): { readonly code: number } | null;
};

/** A device as the machine knows it now. The native package does not give its key. */
export type KnownDevice = {
  isCrossSignedByOwner(): boolean;
  readonly curve25519Key?: PublicKey | undefined;
};

export type EncryptionSettings = {
  algorithm: number;
  /** Microseconds. */
  rotationPeriod: bigint;
  rotationPeriodMessages: bigint;
  historyVisibility: number;
  /** 0: all devices. */
  sharingStrategy: number;
};

type PublicKey = { toBase64(): string };

type MaybeSignature = { readonly isValid: boolean; readonly signature: PublicKey | null };

/** The private halves of an identity, as base64 without padding. */
export type CrossSigningKeys = {
  readonly master: string;
  readonly selfSigning: string;
  readonly userSigning: string;
};

/** The native package's machine: matrix-bot-sdk calls it. */
export type NativeMachine = {
  readonly identityKeys: { readonly curve25519: PublicKey; readonly ed25519: PublicKey };
  receiveSyncChanges(
    toDeviceEvents: string,
    changedDevices: DeviceLists,
    oneTimeKeyCounts: Record<string, number>,
    unusedFallbackKeys: string[],
  ): Promise<string>;
  outgoingRequests(): Promise<CryptoRequest[]>;
  markRequestAsSent(id: string, type: number, response: string): Promise<boolean>;
  getMissingSessions(users?: Id[] | null): Promise<CryptoRequest | null>;
  updateTrackedUsers(users: Id[]): Promise<void>;
  shareRoomKey(room: Id, users: Id[], settings: EncryptionSettings): Promise<ToDeviceRequest[]>;
  encryptRoomEvent(room: Id, type: string, content: string): Promise<string>;
  decryptRoomEvent(event: string, room: Id): Promise<DecryptedRoomEvent>;
  sign(message: string): Promise<{ get(signer: Id): Record<string, MaybeSignature> | null }>;
  queryKeysForUsers(users: Id[]): CryptoRequest;
  crossSigningStatus(): Promise<{ hasMaster: boolean; hasSelfSigning: boolean; hasUserSigning: boolean }>;
  bootstrapCrossSigning(reset: boolean): Promise<{
    readonly uploadKeysReq?: CryptoRequest;
    readonly uploadSigningKeysReq: string;
    readonly uploadSignaturesReq: CryptoRequest;
  }>;
  getDevice(user: Id, device: Id): Promise<KnownDevice | null>;
  close(): void;
};

/** What Keyswitch needs beyond that; the engines reach it in different ways. */
export type IdentityAccess = {
  /** The public master key of a user's identity as the machine knows it, base64. */
  masterKey(user: string): Promise<string | undefined>;
  exportCrossSigningKeys(): Promise<CrossSigningKeys | undefined>;
  /** False when they are not those of the account's identity. */
  importCrossSigningKeys(keys: CrossSigningKeys): Promise<boolean>;
  /** The request that publishes the self-signing key's signature on this device. */
  signOwnDevice(): Promise<CryptoRequest>;
};

/** Emoji verification is there with the WASM engine alone. */
export type OlmMachine = NativeMachine & IdentityAccess & { readonly verification?: VerificationAccess };

export type DeviceLists = { isEmpty(): boolean };

/** The package as matrix-bot-sdk requires it. */
export type CryptoPackage<Machine = NativeMachine> = {
  readonly OlmMachine: {
    initialize(
      user: Id,
      device: Id,
      storePath?: string | null,
      passphrase?: string | null,
      storeType?: number | null,
    ): Promise<Machine>;
  };
  readonly UserId: new (id: string) => Id;
  readonly DeviceId: new (id: string) => Id;
  readonly RoomId: new (id: string) => Id;
  /** Only matrix-bot-sdk calls this one, with ids of the same package. */
  readonly DeviceLists: new (
    ...users: never[]
  ) => DeviceLists;
  readonly EncryptionSettings: new () => EncryptionSettings;
  readonly Attachment: { encrypt(data: Uint8Array): Attachment; decrypt(attachment: Attachment): Uint8Array };
  readonly EncryptedAttachment: new (data: Uint8Array, info: string) => Attachment;
};

type Attachment = {
  readonly encryptedData: Uint8Array;
  readonly mediaEncryptionInfo: string | null | undefined;
};
