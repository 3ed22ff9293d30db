// SPDX-License-Identifier: Apache-2.0
// Stores the private keys of the account's identity in secret storage,
// https://spec.matrix.org/latest/client-server-api/#storage
import { randomBytes } from "node:crypto";
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { HomeserverRequests } from "../homeserver-requests.ts";
import type { CrossSigningKeys } from "../olm-machine.ts";
import {
  decryptSecret,
  describeKey,
  EncryptedSecret,
  encryptSecret,
  isKeyDescribed,
  KeyDescription,
} from "./secret-encryption.ts";

/** https://spec.matrix.org/latest/client-server-api/#cross-signing */
const SECRETS = {
  master: "m.cross_signing.master",
  selfSigning: "m.cross_signing.self_signing",
  userSigning: "m.cross_signing.user_signing",
} as const;

const DefaultKey = Type.Object({ key: Type.String() });
const Secret = Type.Object({ encrypted: Type.Record(Type.String(), Type.Unknown()) });

export type SecretStorage = {
  /** Undefined unless all three are there and can be read. */
  read(): Promise<CrossSigningKeys | undefined>;
  /** False when the homeserver took not all of them. */
  write(keys: CrossSigningKeys): Promise<boolean>;
};

export type SecretStorageResult =
  | { readonly kind: "open"; readonly storage: SecretStorage }
  /** The account has none. */
  | { readonly kind: "absent" }
  /** The key does not open it, or it uses an algorithm that we don't know. */
  | { readonly kind: "wrong-key" }
  | { readonly kind: "unavailable" };

const path = (user: string, type: string): string =>
  `user/${encodeURIComponent(user)}/account_data/${encodeURIComponent(type)}`;

/** What the account's data of a type says; "absent" is not the same as "can't be known". */
const read = async <T extends TSchema>(
  request: HomeserverRequests,
  user: string,
  type: string,
  schema: T,
): Promise<{ readonly content: Static<T> } | "absent" | "unavailable"> => {
  const { status, body } = await request("GET", path(user, type));
  if (status === 404) return "absent";
  if (status !== 200) return "unavailable";
  // A removed secret is an empty object.
  return Value.Check(schema, body) ? { content: body } : "absent";
};

/** Opens the storage that other clients of the account use by default. */
export const openSecretStorage = async (
  request: HomeserverRequests,
  user: string,
  key: Uint8Array,
): Promise<SecretStorageResult> => {
  const defaultKey = await read(request, user, "m.secret_storage.default_key", DefaultKey);
  if (typeof defaultKey === "string") return { kind: defaultKey };
  const id = defaultKey.content.key;
  const description = await read(request, user, `m.secret_storage.key.${id}`, KeyDescription);
  if (description === "unavailable") return { kind: "unavailable" };
  if (description === "absent" || !isKeyDescribed(key, description.content)) return { kind: "wrong-key" };
  return { kind: "open", storage: storageWith(request, user, id, key) };
};

/** Makes a storage under `key`, and the default one. Undefined when the homeserver did not take it. */
export const createSecretStorage = async (
  request: HomeserverRequests,
  user: string,
  key: Uint8Array,
): Promise<SecretStorage | undefined> => {
  const id = randomBytes(16).toString("hex");
  const described = await request("PUT", path(user, `m.secret_storage.key.${id}`), describeKey(key));
  if (described.status !== 200) return undefined;
  const storage = storageWith(request, user, id, key);
  const chosen = await request("PUT", path(user, "m.secret_storage.default_key"), { key: id });
  return chosen.status === 200 ? storage : undefined;
};

const storageWith = (
  request: HomeserverRequests,
  user: string,
  id: string,
  key: Uint8Array,
): SecretStorage => {
  const readSecret = async (name: string): Promise<string | undefined> => {
    const found = await read(request, user, name, Secret);
    if (typeof found === "string") return undefined;
    const secret = found.content.encrypted[id];
    return Value.Check(EncryptedSecret, secret) ? decryptSecret(key, name, secret) : undefined;
  };
  return {
    async read() {
      const master = await readSecret(SECRETS.master);
      const selfSigning = await readSecret(SECRETS.selfSigning);
      const userSigning = await readSecret(SECRETS.userSigning);
      if (master === undefined || selfSigning === undefined || userSigning === undefined) return undefined;
      return { master, selfSigning, userSigning };
    },
    async write(keys) {
      for (const part of ["master", "selfSigning", "userSigning"] as const) {
        const encrypted = { [id]: encryptSecret(key, SECRETS[part], keys[part]) };
        const { status } = await request("PUT", path(user, SECRETS[part]), { encrypted });
        if (status !== 200) return false;
      }
      return true;
    },
  };
};
