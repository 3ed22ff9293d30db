// SPDX-License-Identifier: Apache-2.0
// Stores the settings of encrypted rooms for matrix-bot-sdk in the bot's store.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { RustSdkCryptoStorageProvider } from "matrix-bot-sdk";
import type { BotStore } from "../../bot/store.ts";

/** m.room.encryption's content and the history's visibility; kept as they came, because what is missing means a default. */
const RoomSettings = Type.Object({}, { additionalProperties: true });

const keyOf = (room: string): string => `encryption ${room}`;

/**
 * The SDK takes nothing but its own class, which would keep a file of its own: so this is an instance that its constructor
 * never saw. The device id is the session's, and is not kept a second time.
 */
export const createCryptoStorage = (
  Provider: typeof RustSdkCryptoStorageProvider,
  store: BotStore,
  storagePath: string,
  deviceId: string,
): RustSdkCryptoStorageProvider =>
  Object.assign(Object.create(Provider.prototype), {
    storagePath,
    storageType: 0,
    async getDeviceId() {
      return deviceId;
    },
    async setDeviceId() {},
    async getRoom(room: string) {
      const bytes = store.get("rooms", keyOf(room));
      const settings: unknown = bytes && JSON.parse(Buffer.from(bytes).toString());
      return Value.Check(RoomSettings, settings) ? settings : undefined;
    },
    async storeRoom(room: string, settings: object) {
      store.put("rooms", keyOf(room), JSON.stringify(settings));
    },
  });
