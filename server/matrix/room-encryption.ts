// SPDX-License-Identifier: Apache-2.0
// Defines what the connection needs of encryption in rooms: receiving keys, decrypting events, encrypting answers.
import type { RefusalReason } from "../bot/chat.ts";
import type { When } from "../bot/store.ts";
import type { StateEvent, SyncResponse, TimelineEvent } from "./sync-response.ts";

/** Settings of an encrypted room: the content of m.room.encryption, and the room's history visibility. */
export type EncryptionSettings = Readonly<Record<string, unknown>>;

export type RoomEncryption = {
  /** Takes in the keys and the changes of devices of a sync, and sends what follows from them. */
  receive(sync: SyncResponse): Promise<void>;
  /** Learns a member of an encrypted room, so that the devices are known before they are needed. */
  track(room: string, member: StateEvent): Promise<void>;
  /** Undefined when it can't be decrypted, for now or for ever. `content` and `type` of the answer are what was encrypted. */
  decrypt(room: string, event: TimelineEvent): Promise<TimelineEvent | undefined>;
  /** The content of the m.room.encrypted event; the room's members have the key when it answers. @throws RequestFailed */
  encrypt(room: string, type: string, content: object): Promise<unknown>;
  /** Whether a decrypted event is to be obeyed. */
  verdict(eventId: string, sender: string): { obey: true } | { obey: false; reason: RefusalReason };
  /** Whether it is certain that `sender` wrote a decrypted event. */
  isProven(eventId: string, sender: string): boolean;
  settings(room: string): Promise<EncryptionSettings | undefined>;
  keepSettings(room: string, settings: EncryptionSettings): Promise<void>;
  /** See Encryption.flush. */
  flush(also?: () => void, when?: When): Promise<void>;
};
