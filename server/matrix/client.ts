// SPDX-License-Identifier: Apache-2.0
// Creates matrix-bot-sdk's client for encryption, on the bot's own connections and session.
import { Type } from "@sinclair/typebox";
import type { MatrixClient } from "matrix-bot-sdk";
import type { Logger } from "pino";
import { compileSchema } from "../http/validation.ts";
import type { AuthorizedRequests } from "./authorized-requests.ts";
import type { Encryption } from "./crypto/encryption.ts";
import type { HttpExchange } from "./http-exchange.ts";
import { faultOfSdk, RequestFailed } from "./request-failed.ts";
import type { RoomEncryption } from "./room-encryption.ts";
import { createSdkRequest } from "./sdk-request.ts";
import type { SyncResponse } from "./sync-response.ts";

export type ClientOptions = {
  homeserver: string;
  exchange: HttpExchange;
  requests: AuthorizedRequests;
  encryption: Pick<Encryption, "storage" | "flush" | "verdict" | "isProven" | "isUserId">;
  /** Full ids of those who are in a room. */
  members: (room: string) => Promise<string[]>;
  logger: Pick<Logger, "debug" | "warn">;
  /** Ends all requests of the SDK. */
  signal: AbortSignal;
};

export type BotClient = RoomEncryption & {
  /** Opens the machine; to be called once, before anything else. */
  prepare(): Promise<void>;
  /** For Encryption.start. */
  readonly sdk: MatrixClient;
};

const Settings = compileSchema(Type.Object({}, { additionalProperties: Type.Unknown() }));

const TIMEOUT_MS = 30_000;

/** These neither depend on what the machine has just changed, nor does it matter when they are made again. */
const QUESTIONS: readonly string[] = ["/_matrix/client/v3/keys/query", "/_matrix/client/v3/keys/claim"];

/** Makes the SDK use the bot's own connections and its session. */
const createSdk = async (options: ClientOptions): Promise<MatrixClient> => {
  const { requests, encryption, logger } = options;
  const { LogService, MatrixClient, setRequestFn } = await import("matrix-bot-sdk");
  LogService.setLogger(sdkLogger(logger));
  // It warns of a store in memory; nothing that the client keeps there is used.
  LogService.muteModule("MatrixClientLite");
  setRequestFn(createSdkRequest(options.exchange, options.signal));

  class SessionClient extends MatrixClient {
    override async doRequest(...args: Parameters<MatrixClient["doRequest"]>): Promise<unknown> {
      const [method, endpoint, query, body, timeout = TIMEOUT_MS, ...rest] = args;
      if (method !== "GET" && !QUESTIONS.includes(endpoint)) await encryption.flush();
      const send = () => {
        const accessToken = requests.accessToken();
        Object.assign(this, { accessToken });
        return { accessToken, answer: super.doRequest(method, endpoint, query, body, timeout, ...rest) };
      };
      const first = send();
      try {
        return await first.answer;
      } catch (error) {
        const fault = faultOfSdk(error);
        const isRefused = fault?.kind === "matrix" && fault.errcode === "M_UNKNOWN_TOKEN";
        if (!isRefused || !(await requests.renew(first.accessToken))) throw error;
        return send().answer;
      }
    }

    /** The SDK asks before each message that it encrypts. */
    override async getJoinedRoomMembers(room: string): Promise<string[]> {
      return (await options.members(room)).filter(encryption.isUserId);
    }
  }

  return new SessionClient(options.homeserver, requests.accessToken(), undefined, encryption.storage);
};

/** Requests within `work` that failed come out as RequestFailed. */
const translated = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    const fault = faultOfSdk(error);
    throw fault ? new RequestFailed(fault) : error;
  }
};

/** What a sync has for the machine. */
const syncData = (
  sync: SyncResponse,
  isUserId: (text: string) => boolean,
): Parameters<MatrixClient["crypto"]["updateSyncData"]> => {
  type Data = Parameters<MatrixClient["crypto"]["updateSyncData"]>;
  return [
    // The SDK hands them to the machine as they are, and that one checks them.
    (sync.to_device?.events ?? []) as Data[0],
    sync.device_one_time_keys_count ?? {},
    (sync.device_unused_fallback_key_types ?? []) as Data[2],
    sync.device_lists?.changed?.filter(isUserId) ?? [],
    sync.device_lists?.left?.filter(isUserId) ?? [],
  ];
};

/** To be called after loadCryptoEngine, which decides what the SDK encrypts with. */
export const createClient = async (options: ClientOptions): Promise<BotClient> => {
  const { encryption, logger } = options;
  const { isUserId } = encryption;
  const { EncryptedRoomEvent } = await import("matrix-bot-sdk");
  const sdk = await createSdk(options);
  const { crypto } = sdk;
  return {
    sdk,
    prepare: () => translated(crypto.prepare([])),
    receive: (sync) => translated(crypto.updateSyncData(...syncData(sync, isUserId))),
    async track(room, member) {
      if (isUserId(member.state_key)) await translated(crypto.onRoomEvent(room, member));
    },
    async decrypt(room, event) {
      try {
        const { raw } = await crypto.decryptRoomEvent(new EncryptedRoomEvent(event), room);
        return { ...event, type: raw.type, content: { ...raw.content } };
      } catch {
        // The engines tell a missing key from a damaged event in their texts alone.
        logger.debug({ room, event: event.event_id }, "an event can't be decrypted");
        return undefined;
      }
    },
    encrypt: (room, type, content) => translated(crypto.encryptRoomEvent(room, type, content)),
    verdict: encryption.verdict,
    isProven: encryption.isProven,
    async settings(room) {
      const settings: unknown = await encryption.storage.getRoom(room);
      return Settings.Check(settings) ? settings : undefined;
    },
    keepSettings: (room, settings) => encryption.storage.storeRoom(room, settings),
    flush: encryption.flush,
  };
};

/** The SDK's log: what it says, without the objects that it hangs on it, for these are requests, events and errors. */
const sdkLogger = (logger: Pick<Logger, "debug" | "warn">) => {
  const at =
    (level: "debug" | "warn") =>
    (module: unknown, ...said: unknown[]): void => {
      const fault = said.map(faultOfSdk).find((one) => one !== undefined);
      const text = said.find((one) => typeof one === "string");
      logger[level](
        { module, ...(fault !== undefined && { fault }) },
        `matrix-bot-sdk: ${text ?? "(no text)"}`,
      );
    };
  // Failures of requests are told by whoever made them.
  return { trace: () => {}, debug: () => {}, info: at("debug"), warn: at("warn"), error: at("debug") };
};
