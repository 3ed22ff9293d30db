// SPDX-License-Identifier: Apache-2.0
// Has the bot's device signed by its account's identity, which is created if there is none and never replaced.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { BotStore } from "../../../bot/store.ts";
import type { HomeserverRequests } from "../homeserver-requests.ts";
import type { CrossSigningKeys, CryptoRequest, Id, OlmMachine } from "../olm-machine.ts";
import { publishIdentity } from "./publish-identity.ts";
import { createSecretStorage, openSecretStorage, type SecretStorageResult } from "./secret-storage.ts";

export type CrossSigningDeps = {
  readonly machine: OlmMachine;
  readonly store: BotStore;
  readonly request: HomeserverRequests;
  readonly user: Id;
  readonly device: Id;
  /** What must not be lost is on the disk when this resolves. */
  flush(): Promise<void>;
  /** Only for homeservers that want it. */
  readonly password?: string;
  /** The 32 bytes of the recovery key. */
  readonly recoveryKey?: Uint8Array;
};

/** Why the device is not signed. */
export type UnsignedReason =
  /** The account has an identity, and its private keys are neither in the store nor to be had by a recovery key. */
  | "identity-elsewhere"
  /** The recovery key does not open the account's secret storage. */
  | "wrong-recovery-key"
  /** The homeserver wants a password for the first identity, and has not got the right one. */
  | "password-needed"
  /** The homeserver did not answer, or refused. */
  | "unavailable";

export type CrossSigningOutcome =
  | {
      readonly kind: "signed";
      /** `created`: the account had no identity. `restored`: its private keys came from secret storage. */
      readonly identity: "created" | "kept" | "restored";
      /** Whether secret storage has the private keys now. `none`: no recovery key was given. */
      readonly backup: "kept" | "failed" | "wrong-recovery-key" | "none";
    }
  | { readonly kind: "unsigned"; readonly reason: UnsignedReason };

const StoredKeys = Type.Object({
  master: Type.String(),
  selfSigning: Type.String(),
  userSigning: Type.String(),
});

/** https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysquery */
const Identities = Type.Object({ master_keys: Type.Optional(Type.Record(Type.String(), Type.Unknown())) });

/** Their place in the store. They outlive the device: it is the account that they belong to. */
const KEYS = "private-keys";

const storedKeys = (store: BotStore): CrossSigningKeys | undefined => {
  const bytes = store.get("cross-signing", KEYS);
  const keys: unknown = bytes && JSON.parse(Buffer.from(bytes).toString());
  return Value.Check(StoredKeys, keys) ? keys : undefined;
};

/** Sends a request of the machine and tells it the answer. False when the homeserver refused. */
const send = async (
  { request, machine }: Pick<CrossSigningDeps, "request" | "machine">,
  path: string,
  made: CryptoRequest,
): Promise<boolean> => {
  const { status, body } = await request("POST", path, JSON.parse(made.body));
  if (status !== 200) return false;
  if (made.id !== "") await machine.markRequestAsSent(made.id, made.type, JSON.stringify(body));
  return true;
};

/** Asks for the devices and identities of users, whatever the machine thinks that it knows. */
export const queryKeys = async (
  deps: Pick<CrossSigningDeps, "request" | "machine">,
  users: readonly Id[],
): Promise<boolean> => send(deps, "keys/query", deps.machine.queryKeysForUsers([...users]));

/** To be called once the device's keys are uploaded, and its own keys were queried. It can be repeated. */
export const crossSign = async (deps: CrossSigningDeps): Promise<CrossSigningOutcome> => {
  const { machine, store, request, user, recoveryKey } = deps;
  const published = await isPublished(deps);
  if (published === undefined) return { kind: "unsigned", reason: "unavailable" };
  const had = await machine.exportCrossSigningKeys();
  const storage: SecretStorageResult | undefined =
    recoveryKey && (await openSecretStorage(request, user.toString(), recoveryKey));
  let identity: "created" | "kept" | "restored" = "kept";
  if (!published) {
    const result = await create(deps);
    if (result !== "published") return { kind: "unsigned", reason: result };
    identity = "created";
  } else if (had === undefined) {
    const found = await findKeys(deps, storage);
    if (found === undefined) return { kind: "unsigned", reason: unsignedReason(storage) };
    identity = found;
  }
  if (!(await signDevice(deps))) return { kind: "unsigned", reason: "unavailable" };
  const keys = await machine.exportCrossSigningKeys();
  if (keys === undefined) return { kind: "unsigned", reason: "identity-elsewhere" };
  if (JSON.stringify(storedKeys(store)) !== JSON.stringify(keys)) {
    store.put("cross-signing", KEYS, JSON.stringify(keys));
  }
  return { kind: "signed", identity, backup: await backUp(deps, storage, keys) };
};

const unsignedReason = (storage: SecretStorageResult | undefined): UnsignedReason => {
  if (storage?.kind === "wrong-key") return "wrong-recovery-key";
  return storage?.kind === "unavailable" ? "unavailable" : "identity-elsewhere";
};

/**
 * Whether the homeserver shows an identity of the account; undefined when it does not say. The machine knows its own one from
 * before the upload on, and a kill may have come in between.
 */
const isPublished = async ({ request, user }: CrossSigningDeps): Promise<boolean | undefined> => {
  const { status, body } = await request("POST", "keys/query", { device_keys: { [user.toString()]: [] } });
  if (status !== 200 || !Value.Check(Identities, body)) return undefined;
  return Object.hasOwn(body.master_keys ?? {}, user.toString());
};

/** Its private keys are on the disk before anybody sees the public ones. A repetition after a kill publishes the same. */
const create = async (deps: CrossSigningDeps): Promise<"published" | "password-needed" | "unavailable"> => {
  const { machine, request, user, password } = deps;
  const requests = await machine.bootstrapCrossSigning(false);
  await deps.flush();
  if (requests.uploadKeysReq && !(await send(deps, "keys/upload", requests.uploadKeysReq))) {
    return "unavailable";
  }
  const result = await publishIdentity(request, user.toString(), password, requests.uploadSigningKeysReq);
  if (result !== "published") return result;
  await send(deps, "keys/signatures/upload", requests.uploadSignaturesReq);
  await queryKeys(deps, [user]);
  return "published";
};

/** Private keys that fit the account's identity: the machine checks that they do. */
const findKeys = async (
  { machine, store }: CrossSigningDeps,
  storage: SecretStorageResult | undefined,
): Promise<"kept" | "restored" | undefined> => {
  const stored = storedKeys(store);
  if (stored && (await machine.importCrossSigningKeys(stored))) return "kept";
  const recovered = storage?.kind === "open" ? await storage.storage.read() : undefined;
  return recovered && (await machine.importCrossSigningKeys(recovered)) ? "restored" : undefined;
};

/** Whether the homeserver shows the signature in the end. */
const signDevice = async (deps: CrossSigningDeps): Promise<boolean> => {
  const { machine, user, device } = deps;
  const isSigned = async () => (await machine.getDevice(user, device))?.isCrossSignedByOwner() ?? false;
  if (await isSigned()) return true;
  const signature = await machine.signOwnDevice();
  await deps.flush();
  if (!(await send(deps, "keys/signatures/upload", signature))) return false;
  return (await queryKeys(deps, [user])) && (await isSigned());
};

const backUp = async (
  { request, user, recoveryKey }: CrossSigningDeps,
  storage: SecretStorageResult | undefined,
  keys: CrossSigningKeys,
): Promise<"kept" | "failed" | "wrong-recovery-key" | "none"> => {
  if (recoveryKey === undefined || storage === undefined) return "none";
  if (storage.kind === "wrong-key") return "wrong-recovery-key";
  if (storage.kind === "unavailable") return "failed";
  const opened =
    storage.kind === "open"
      ? storage.storage
      : await createSecretStorage(request, user.toString(), recoveryKey);
  if (opened === undefined) return "failed";
  const kept = await opened.read();
  const isKept =
    kept && (Object.keys(keys) as (keyof CrossSigningKeys)[]).every((part) => kept[part] === keys[part]);
  return isKept || (await opened.write(keys)) ? "kept" : "failed";
};
