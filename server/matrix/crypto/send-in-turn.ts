// SPDX-License-Identifier: Apache-2.0
// Has matrix-bot-sdk encrypt the messages of one room one after the other.

type EncryptRoomEvent = (this: object, room: string, type: string, content: unknown) => Promise<unknown>;

export type Sdk = {
  readonly CryptoClient: { readonly prototype: { encryptRoomEvent: EncryptRoomEvent } };
};

/**
 * The SDK renews a room's key where it has been used often enough, and then encrypts with it, in two steps. Of two messages
 * at a time, the first could use the key up between the other's steps, at which the crypto crate panics.
 */
export const sendInTurn = ({ CryptoClient: { prototype } }: Sdk): void => {
  const encrypt = prototype.encryptRoomEvent;
  const turns = new WeakMap<object, Map<string, Promise<unknown>>>();
  prototype.encryptRoomEvent = function (room, type, content) {
    const rooms = turns.get(this) ?? new Map<string, Promise<unknown>>();
    turns.set(this, rooms);
    const before = rooms.get(room) ?? Promise.resolve();
    const encrypted = before.then(() => encrypt.call(this, room, type, content));
    const settled = encrypted
      .catch(() => {})
      .then(() => {
        if (rooms.get(room) === settled) rooms.delete(room);
      });
    rooms.set(room, settled);
    return encrypted;
  };
};
