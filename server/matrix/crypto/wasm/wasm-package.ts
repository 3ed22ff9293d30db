// SPDX-License-Identifier: Apache-2.0
// Adapts the WASM crypto package to the class names of the native one, as far as matrix-bot-sdk uses it.
import * as wasm from "@matrix-org/matrix-sdk-crypto-wasm";
import { type IdbFactory, idbGlobals } from "../indexeddb/types.ts";
import type { CryptoPackage, EncryptionSettings, Id, OlmMachine } from "../olm-machine.ts";
import { wasmMachine } from "./wasm-machine.ts";

/**
 * Ids are kept as text, and made anew for each call into the machine: the WASM machine consumes the objects that it is
 * given, and matrix-bot-sdk gives the same ones to several calls.
 */
class TextId {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

/** Rejects what is not an id, as the native class does. */
class UserId extends TextId {
  constructor(text: string) {
    new wasm.UserId(text).free();
    super(text);
  }
}

class RoomId extends TextId {
  constructor(text: string) {
    new wasm.RoomId(text).free();
    super(text);
  }
}

/** Users whose devices changed, and users who left. */
class ChangedDevices {
  readonly changed: readonly Id[];
  readonly left: readonly Id[];
  constructor(changed?: Id[] | null, left?: Id[] | null) {
    this.changed = changed ?? [];
    this.left = left ?? [];
  }
  isEmpty(): boolean {
    return this.changed.length === 0 && this.left.length === 0;
  }
}

class RoomSettings implements EncryptionSettings {
  algorithm: number = wasm.EncryptionAlgorithm.MegolmV1AesSha2;
  rotationPeriod = 604_800_000_000n;
  rotationPeriodMessages = 100n;
  historyVisibility: number = wasm.HistoryVisibility.Shared;
  sharingStrategy = 0;
}

/** The name of the databases within a store. */
const STORE_NAME = "keyswitch";

/**
 * Loads the WASM code. `factoryOf` gives the IndexedDB of a store by the path that its machine is opened with.
 * The package looks for IndexedDB in the global scope, at the moment when it opens a store.
 */
export const loadWasmPackage = async (
  factoryOf: (storePath: string) => IdbFactory | undefined,
): Promise<CryptoPackage<OlmMachine>> => {
  Object.assign(globalThis, idbGlobals);
  await wasm.initAsync();
  let opening: Promise<unknown> = Promise.resolve();
  const open = async (user: Id, device: Id, storePath: string): Promise<OlmMachine> => {
    const factory = factoryOf(storePath);
    if (factory === undefined) throw new Error("the crypto store was not opened");
    Object.assign(globalThis, { indexedDB: factory });
    const userId = new wasm.UserId(user.toString());
    const deviceId = new wasm.DeviceId(device.toString());
    return wasmMachine(await wasm.OlmMachine.initialize(userId, deviceId, STORE_NAME));
  };
  return {
    OlmMachine: {
      initialize(user, device, storePath) {
        const machine = opening.then(() => open(user, device, storePath ?? ""));
        opening = machine.catch(() => {});
        return machine;
      },
    },
    UserId,
    DeviceId: TextId,
    RoomId,
    DeviceLists: ChangedDevices,
    EncryptionSettings: RoomSettings,
    Attachment: {
      encrypt: (data) => wasm.Attachment.encrypt(data),
      decrypt(attachment) {
        if (attachment instanceof wasm.EncryptedAttachment) return wasm.Attachment.decrypt(attachment);
        throw new TypeError("not an encrypted attachment of this package");
      },
    },
    EncryptedAttachment: wasm.EncryptedAttachment,
  };
};
