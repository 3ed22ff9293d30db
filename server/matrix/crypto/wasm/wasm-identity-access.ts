// SPDX-License-Identifier: Apache-2.0
// Reads and imports identities and their private keys in the WASM package's machine.
import * as wasm from "@matrix-org/matrix-sdk-crypto-wasm";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { IdentityAccess } from "../olm-machine.ts";
import { asCryptoRequest } from "./wasm-requests.ts";

/** A cross-signing key, https://spec.matrix.org/latest/client-server-api/#cross-signing */
const CrossSigningKey = Type.Object({ keys: Type.Record(Type.String(), Type.String()) });

export const wasmIdentityAccess = (machine: wasm.OlmMachine): IdentityAccess => ({
  async masterKey(user) {
    const identity = await machine.getIdentity(new wasm.UserId(user));
    if (identity === undefined) return undefined;
    const key: unknown = JSON.parse(identity.masterKey);
    return Value.Check(CrossSigningKey, key) ? Object.values(key.keys)[0] : undefined;
  },
  async exportCrossSigningKeys() {
    const keys = await machine.exportCrossSigningKeys();
    const { masterKey, self_signing_key: selfSigning, userSigningKey } = keys ?? {};
    if (masterKey === undefined || selfSigning === undefined || userSigningKey === undefined) {
      return undefined;
    }
    return { master: masterKey, selfSigning, userSigning: userSigningKey };
  },
  async importCrossSigningKeys({ master, selfSigning, userSigning }) {
    let status: wasm.CrossSigningStatus;
    try {
      status = await machine.importCrossSigningKeys(master, selfSigning, userSigning);
    } catch {
      // The package has no other way to say that the keys are not those of the account's identity.
      return false;
    }
    return status.hasMaster && status.hasSelfSigning && status.hasUserSigning;
  },
  async signOwnDevice() {
    const device = await machine.getDevice(machine.userId, machine.deviceId);
    if (device === undefined) throw new Error("the machine does not know its own device");
    return asCryptoRequest(await device.verify());
  },
});
