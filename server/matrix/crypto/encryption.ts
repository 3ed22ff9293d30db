// SPDX-License-Identifier: Apache-2.0
// Opens the bot's end-to-end encryption: its store, the crypto of matrix-bot-sdk's client, and the identities of users.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { RustSdkCryptoStorageProvider } from "matrix-bot-sdk";
import type { Logger } from "pino";
import type { IdentityChange } from "../../bot/chat.ts";
import type { BotStore, When } from "../../bot/store.ts";
import { type CrossSigningOutcome, crossSign, queryKeys } from "./cross-signing/cross-sign.ts";
import { createCryptoStorage } from "./crypto-storage.ts";
import type { CryptoEngine } from "./engine.ts";
import type { HomeserverRequests } from "./homeserver-requests.ts";
import { createIdentityPins, type IdentityPins, type TrustPolicy, type Verdict } from "./identity-pins.ts";
import { type DurableIndexedDb, openDurableIndexedDb } from "./indexeddb/durable-indexeddb.ts";
import { createMessageOrigins, type MessageOrigin } from "./message-origins.ts";
import type { CryptoRequest, OlmMachine } from "./olm-machine.ts";
import { createVerificationPort, signsOnly, type VerificationPort } from "./verification-port.ts";

export type EncryptionOptions = {
  readonly engine: CryptoEngine;
  readonly store: BotStore;
  /** CRYPTO_STORE_PATH: where the native engine has its files. */
  readonly folder: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly logger: Logger;
  readonly trust: {
    readonly policy: TrustPolicy;
    readonly allowedUsers: readonly string[];
    /** TRUSTED_IDENTITIES */
    readonly identities: readonly { readonly user: string; readonly masterKey: string }[];
  };
  /** Called as IdentityPinsOptions says. */
  onIdentityChange(change: IdentityChange): void;
};

export type StartOptions = {
  readonly request: HomeserverRequests;
  /** For homeservers that want it before an account's first identity. */
  readonly password?: string;
  /** The 32 bytes that MATRIX_RECOVERY_KEY_FILE stands for, see decodeRecoveryKey. */
  readonly recoveryKey?: Uint8Array;
};

export type Encryption = {
  /** For the constructor of matrix-bot-sdk's client, which then opens the machine in crypto.prepare(). */
  readonly storage: RustSdkCryptoStorageProvider;
  /**
   * Has to be awaited before anything is sent that depends on the crypto state (events, to-device messages, keys) or on the
   * store, and after each sync with `also` writing the new sync token: both reach the disk in one transaction, or neither does.
   * Unless `when` is `soon`, all that the store has is on the disk then. It rejects when the disk can't be written; then nothing
   * may be sent.
   */
  flush(also?: () => void, when?: When): Promise<void>;
  /**
   * To be called once the client is prepared: asks for the identities of the allowed users and of the bot, checks the pins,
   * and has the bot's device signed. It can be repeated when the homeserver did not answer.
   */
  start(options: StartOptions): Promise<CrossSigningOutcome>;
  /** The device's Ed25519 key in groups of four, as clients show it. Undefined before the client is prepared. */
  fingerprint(): string | undefined;
  /** What decryption found out of an event's sender. */
  originOf(eventId: string): MessageOrigin | undefined;
  /** Whether to obey a message that was decrypted. Messages of plain-text rooms have no verdict to ask for. */
  verdict(eventId: string, sender: string): Verdict;
  /** See IdentityPins.isProven. */
  isProven(eventId: string, sender: string): boolean;
  /**
   * Whether the engine takes `text` for a user's id. Members of a room may have others, by way of servers that let them, and
   * one of those must not keep a sync from being taken in.
   */
  isUserId(text: string): boolean;
  /** Undefined where the engine has no verifications. */
  readonly verification: VerificationPort | undefined;
  /** The change was told in the room. */
  acknowledge(change: IdentityChange): void;
  /**
   * To be called with forgetDevice: the device is gone from the homeserver and from the store. `flush` and `close` then write
   * nothing, so that the next start does not find the keys of this device beside the session of another.
   */
  abandon(): void;
  /** Writes what is left, and closes the machine; nothing of the client may be used afterwards. */
  close(): Promise<void>;
};

/** The areas of the bot's store that belong to the device, not to the account. */
export const forgetDevice = (store: BotStore): void => {
  store.clear("indexeddb");
  store.clear("received");
};

/** Opens the store. To be called after loadCryptoEngine. @throws Error when the store's content is damaged */
export const openEncryption = async (options: EncryptionOptions): Promise<Encryption> => {
  const { engine, store, logger, deviceId, trust } = options;
  const { RustSdkCryptoStorageProvider: Provider } = await import("matrix-bot-sdk");
  const durable = engine.engine === "wasm" ? await openDurableIndexedDb(store) : undefined;
  const folder = engine.engine === "native" ? nativeFolder(options.folder, deviceId) : options.folder;
  const origins = createMessageOrigins();
  let machine: OlmMachine | undefined;
  let request: HomeserverRequests | undefined;
  const { flush, abandon } = createWriting(store, durable);

  const pins = createIdentityPins({
    store,
    logger,
    policy: trust.policy,
    allowedUsers: trust.allowedUsers,
    accepted: new Map(trust.identities.map(({ user, masterKey }) => [user, masterKey])),
    masterKey: async (user) => machine?.masterKey(user),
    onChange: options.onIdentityChange,
  });

  const uploadSignatures = async ({ id, type, body }: CryptoRequest): Promise<void> => {
    if (request === undefined || machine === undefined) return;
    // Nobody but the bot's own devices is signed: see verification-port.ts.
    if (!signsOnly(options.userId, body)) return void (await machine.markRequestAsSent(id, type, "{}"));
    await flush();
    const answer = await request("POST", "keys/signatures/upload", JSON.parse(body));
    // One that failed is among the machine's requests the next time too.
    if (answer.status === 200) await machine.markRequestAsSent(id, type, JSON.stringify(answer.body));
  };

  const verification =
    engine.engine === "wasm" ? createVerification(options, () => ({ machine, request })) : undefined;
  const release = engine.host(folder, {
    ...(durable !== undefined && { factory: durable.factory }),
    opened: (opened) => {
      machine = opened;
    },
    decrypted: (event, result, device) => origins.note(event, result, device),
    identitiesUpdated: () => pins.check(),
    ...(verification && { verifications: verification.guard }),
    signatures: (made) => {
      uploadSignatures(made).catch((err: unknown) =>
        logger.warn({ err }, "signatures could not be uploaded"),
      );
    },
  });

  return {
    storage: createCryptoStorage(Provider, store, folder, deviceId),
    flush,
    async start(given) {
      if (machine === undefined) throw new Error("the client was not prepared");
      request = given.request;
      return askAndSign(options, { machine, pins, flush }, given);
    },
    fingerprint: () => machine?.identityKeys.ed25519.toBase64().replace(/.{4}(?=.)/g, "$& "),
    originOf: (eventId) => origins.of(eventId),
    verdict: (eventId, sender) => pins.verdict(sender, origins.of(eventId)),
    isProven: (eventId, sender) => pins.isProven(sender, origins.of(eventId)),
    isUserId: (text) => isUserId(engine, text),
    verification: verification?.port,
    acknowledge: (change) => pins.acknowledge(change),
    abandon,
    async close() {
      release();
      await flush();
      machine?.close();
      machine = undefined;
    },
  };
};

/** `now`: the machine and the requests, once they are there. */
const createVerification = (
  { engine, userId, trust, logger }: EncryptionOptions,
  now: () => { machine: OlmMachine | undefined; request: HomeserverRequests | undefined },
) => {
  const allowed = new Set(trust.allowedUsers);
  return createVerificationPort({
    machine: () => now().machine,
    roomId: (text) => engine.roomId(text),
    mayVerify: (user) => user !== userId && allowed.has(user),
    async isKnownDevice(user, device) {
      const found = await now().machine?.getDevice(engine.userId(user), engine.deviceId(device));
      return found !== undefined && found !== null;
    },
    async queryDevices(user) {
      const { machine, request } = now();
      if (machine && request) await queryKeys({ machine, request }, [engine.userId(user)]);
    },
    logger,
  });
};

/** Nothing is written once the device is abandoned. `durable`: where the WASM engine has its data. */
const createWriting = (
  store: BotStore,
  durable: DurableIndexedDb | undefined,
): Pick<Encryption, "flush" | "abandon"> => {
  let abandoned = false;
  return {
    async flush(also, when = "now") {
      if (abandoned) return;
      if (durable) await durable.flush(also, when);
      else if (also) store.transaction(also, when);
      if (when === "now" && !abandoned) store.settle();
    },
    abandon() {
      abandoned = true;
      durable?.abandon();
    },
  };
};

/** Asks for the identities, has the pins checked against them, and has the bot's device signed. */
const askAndSign = async (
  { engine, store, userId, deviceId, trust }: EncryptionOptions,
  { machine, pins, flush }: { machine: OlmMachine; pins: IdentityPins; flush: () => Promise<void> },
  { request, password, recoveryKey }: StartOptions,
): Promise<CrossSigningOutcome> => {
  const deps = {
    machine,
    store,
    request,
    user: engine.userId(userId),
    device: engine.deviceId(deviceId),
    flush,
    ...(password !== undefined && { password }),
    ...(recoveryKey !== undefined && { recoveryKey }),
  };
  const users = [...new Set([userId, ...trust.allowedUsers])].map((user) => engine.userId(user));
  if (!(await queryKeys(deps, users))) return { kind: "unsigned", reason: "unavailable" };
  // The query's answer had the pins checked already; changes that are still to be told are told by this one.
  await pins.check();
  const outcome = await crossSign(deps);
  await flush();
  return outcome;
};

const isUserId = (engine: CryptoEngine, text: string): boolean => {
  try {
    return engine.userId(text) !== undefined;
  } catch {
    return false;
  }
};

/** One for each device, because the crate refuses another device's; those of former devices are removed. */
const nativeFolder = (folder: string, deviceId: string): string => {
  const parent = join(folder, "native");
  const name = Buffer.from(deviceId).toString("hex");
  mkdirSync(join(parent, name), { recursive: true, mode: 0o700 });
  for (const other of readdirSync(parent)) {
    if (other !== name) rmSync(join(parent, other), { recursive: true });
  }
  return join(parent, name);
};
