// SPDX-License-Identifier: Apache-2.0
// Gives the bot's account an identity and secret storage under a recovery key, in an order in which nothing is lost when it is
// interrupted: the key is printed, then the private keys are stored under it, then the public ones are published.
import { randomBytes } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { identityUpload, newCrossSigningKeys, publicKeyOf } from "../crypto/cross-signing/new-identity.ts";
import { publishIdentity } from "../crypto/cross-signing/publish-identity.ts";
import {
  createSecretStorage,
  openSecretStorage,
  type SecretStorage,
} from "../crypto/cross-signing/secret-storage.ts";
import type { HomeserverRequests } from "../crypto/homeserver-requests.ts";
import type { CrossSigningKeys } from "../crypto/olm-machine.ts";

export type SetUpOptions = {
  readonly request: HomeserverRequests;
  /** Full id of the bot. */
  readonly user: string;
  /** The account's at the homeserver itself, where there is one. */
  readonly password: string | undefined;
  /** The 32 bytes of the key in MATRIX_RECOVERY_KEY_FILE. */
  readonly recoveryKey: Uint8Array | undefined;
  /** Replaces what the account has. */
  readonly reset: boolean;
  /** Called with a new recovery key, before anything depends on it. */
  readonly print: (recoveryKey: Uint8Array) => void;
};

export type SetUpOutcome =
  /** The identity and its private keys under the recovery key are there. `already`: they were before. */
  | { readonly kind: "set-up"; readonly already: boolean }
  /** The identity's private keys are in the bot's store alone: a bot that starts with the key stores them under it. */
  | { readonly kind: "up-to-the-bot" }
  | { readonly kind: "not-set-up"; readonly why: NotSetUp };

export type NotSetUp =
  /** The account has secret storage, and no recovery key was given. */
  | "storage-elsewhere"
  /** The recovery key does not open the account's secret storage. */
  | "wrong-recovery-key"
  /** The homeserver wants a password to replace an identity, and has not got the right one. */
  | "password-needed"
  /** The homeserver did not answer, or refused. */
  | "unavailable";

const failed = (why: NotSetUp): SetUpOutcome => ({ kind: "not-set-up", why });

/** https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysquery */
const Identities = Type.Object({
  master_keys: Type.Optional(
    Type.Record(Type.String(), Type.Object({ keys: Type.Record(Type.String(), Type.String()) })),
  ),
});

/** The account's public master key; null where it has no identity, undefined where the homeserver does not say. */
const publishedMaster = async (
  request: HomeserverRequests,
  user: string,
): Promise<string | null | undefined> => {
  const { status, body } = await request("POST", "keys/query", { device_keys: { [user]: [] } });
  if (status !== 200 || !Value.Check(Identities, body)) return undefined;
  const identities = body.master_keys ?? {};
  return Object.hasOwn(identities, user) ? (Object.values(identities[user]?.keys ?? {})[0] ?? null) : null;
};

export const setUpAccount = async (options: SetUpOptions): Promise<SetUpOutcome> => {
  const { request, user, recoveryKey, reset } = options;
  const published = await publishedMaster(request, user);
  if (published === undefined) return failed("unavailable");
  if (reset) return replace(options);
  // Without a key any other shows whether there is a storage.
  const storage = await openSecretStorage(request, user, recoveryKey ?? randomBytes(32));
  if (storage.kind === "unavailable") return failed("unavailable");
  if (storage.kind === "absent") {
    return published === null ? makeAnew(options) : storedByTheBot(options);
  }
  if (recoveryKey === undefined) return failed("storage-elsewhere");
  if (storage.kind === "wrong-key") return failed("wrong-recovery-key");
  const kept = await storage.storage.read();
  if (published === null) return publish(options, storage.storage, kept ?? newCrossSigningKeys());
  const isKept = kept !== undefined && publicKeyOf(kept.master) === published;
  return isKept ? { kind: "set-up", already: true } : { kind: "up-to-the-bot" };
};

/** The key that is given, or a new one, which is printed. */
const keyFor = ({ recoveryKey, print }: SetUpOptions): Uint8Array => {
  if (recoveryKey !== undefined) return recoveryKey;
  const made = randomBytes(32);
  print(made);
  return made;
};

const storedByTheBot = (options: SetUpOptions): SetUpOutcome => {
  keyFor(options);
  return { kind: "up-to-the-bot" };
};

/**
 * Here the identity comes first: a homeserver that refuses it has then changed nothing, and what an interruption leaves is an
 * identity without keys, which is what a reset is for.
 */
const replace = async (options: SetUpOptions): Promise<SetUpOutcome> => {
  const { request, user, password, print } = options;
  const keys = newCrossSigningKeys();
  const result = await publishIdentity(request, user, password, identityUpload(user, keys));
  if (result !== "published") return failed(result);
  const recoveryKey = randomBytes(32);
  print(recoveryKey);
  const storage = await createSecretStorage(request, user, recoveryKey);
  const isKept = storage !== undefined && (await storage.write(keys));
  return isKept ? { kind: "set-up", already: false } : failed("unavailable");
};

const makeAnew = async (options: SetUpOptions): Promise<SetUpOutcome> => {
  const { request, user } = options;
  const storage = await createSecretStorage(request, user, keyFor(options));
  return storage === undefined ? failed("unavailable") : publish(options, storage, newCrossSigningKeys());
};

const publish = async (
  { request, user, password }: SetUpOptions,
  storage: SecretStorage,
  keys: CrossSigningKeys,
): Promise<SetUpOutcome> => {
  if (!(await storage.write(keys))) return failed("unavailable");
  const result = await publishIdentity(request, user, password, identityUpload(user, keys));
  return result === "published" ? { kind: "set-up", already: false } : failed(result);
};
