// SPDX-License-Identifier: Apache-2.0
// Loads the native crypto package, and adds access to identities through secret storage items.
import { randomBytes } from "node:crypto";
import type * as native from "@matrix-org/matrix-sdk-crypto-nodejs";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { encodeRecoveryKey } from "./cross-signing/recovery-key.ts";
import { describeKey, encryptSecret } from "./cross-signing/secret-encryption.ts";
import type { CrossSigningKeys, CryptoPackage, IdentityAccess, NativeMachine } from "./olm-machine.ts";

export type NativePackage = typeof native;

/** The names of the secrets, https://spec.matrix.org/latest/client-server-api/#cross-signing */
const NAMES = {
  master: "m.cross_signing.master",
  selfSigning: "m.cross_signing.self_signing",
  userSigning: "m.cross_signing.user_signing",
} as const;

/** The part of a /keys/query response that has the identities. */
const MasterKeys = Type.Object({
  master_keys: Type.Optional(
    Type.Record(Type.String(), Type.Object({ keys: Type.Record(Type.String(), Type.String()) })),
  ),
});

/**
 * The package as it is, whose machines also have IdentityAccess. The native machine does not tell a user's master key: it is
 * taken from the answers to key queries, which is what the machine has it from. One that the machine rejects (its
 * signatures are wrong) is taken too: that looks like a changed identity, which is the safe side.
 */
export const withIdentityAccess = (library: NativePackage): CryptoPackage<NativeMachine & IdentityAccess> => {
  // Type parameters of this call say that the package has the surface that olm-machine.ts claims.
  const surface: CryptoPackage<native.OlmMachine> = library;
  return {
    ...surface,
    OlmMachine: {
      async initialize(...args) {
        const machine = await surface.OlmMachine.initialize(...args);
        return extend(machine, library);
      },
    },
  };
};

const extend = (machine: native.OlmMachine, library: NativePackage): NativeMachine & IdentityAccess => {
  const masterKeys = new Map<string, string>();
  const identity = identityAccess(machine, library, masterKeys);
  return new Proxy(machine, {
    get(target, name) {
      if (name === "markRequestAsSent") {
        return async (id: string, type: number, response: string) => {
          const marked = await target.markRequestAsSent(id, type, response);
          if (type === 1) keepMasterKeys(masterKeys, response);
          return marked;
        };
      }
      if (name in identity) return Reflect.get(identity, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  }) as native.OlmMachine & IdentityAccess;
};

/** Keeps those that are in the answer to a key query. */
const keepMasterKeys = (masterKeys: Map<string, string>, response: string): void => {
  const body: unknown = JSON.parse(response);
  if (!Value.Check(MasterKeys, body)) return;
  for (const [user, { keys }] of Object.entries(body.master_keys ?? {})) {
    const key = Object.values(keys)[0];
    if (key !== undefined) masterKeys.set(user, key);
  }
};

/** `masterKeys`: by user. */
const identityAccess = (
  machine: native.OlmMachine,
  library: NativePackage,
  masterKeys: ReadonlyMap<string, string>,
): IdentityAccess => ({
  async masterKey(user) {
    return masterKeys.get(user);
  },
  async exportCrossSigningKeys() {
    const { hasMaster, hasSelfSigning, hasUserSigning } = await machine.crossSigningStatus();
    if (!hasMaster || !hasSelfSigning || !hasUserSigning) return undefined;
    const key = library.SecretStorageKey.createRandomKey();
    const items = await machine.exportSecretsForSecretStorage(key);
    return {
      master: key.decrypt(items.masterKey, NAMES.master),
      selfSigning: key.decrypt(items.selfSigningKey, NAMES.selfSigning),
      userSigning: key.decrypt(items.userSigningKey, NAMES.userSigning),
    };
  },
  async importCrossSigningKeys(keys) {
    const { key, items } = transferOf(library, keys);
    try {
      await machine.importSecretsFromSecretStorage(key, items);
    } catch {
      // The package has no other way to say that the keys are not those of the account's identity.
      return false;
    }
    const { hasMaster, hasSelfSigning, hasUserSigning } = await machine.crossSigningStatus();
    return hasMaster && hasSelfSigning && hasUserSigning;
  },
  async signOwnDevice() {
    return (await machine.bootstrapCrossSigning(false)).uploadSignaturesReq;
  },
});

/** The keys as secret storage has them, under a storage key that serves for this once. */
const transferOf = (library: NativePackage, keys: CrossSigningKeys) => {
  const secret = randomBytes(32);
  const keyId = "transfer";
  const item = (name: keyof CrossSigningKeys): string =>
    JSON.stringify({ encrypted: { [keyId]: encryptSecret(secret, NAMES[name], keys[name]) } });
  const key = library.SecretStorageKey.fromAccountData(
    encodeRecoveryKey(secret),
    `m.secret_storage.key.${keyId}`,
    JSON.stringify(describeKey(secret)),
  );
  const items = new library.SecretStorageItems({
    masterKey: item("master"),
    selfSigningKey: item("selfSigning"),
    userSigningKey: item("userSigning"),
  });
  return { key, items };
};
