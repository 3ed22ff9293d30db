// SPDX-License-Identifier: Apache-2.0
// Implements the bot's chat interface for Matrix: loads its files, connects, listens, and has the device signed.
import type { ChatNetwork, ConnectChatOptions, ConnectedChat, OpenChat } from "../bot/chat.ts";
import type { EndReason } from "./connect.ts";
import { type Connected, type ConnectOptions, connectWithRetries } from "./connect-with-retries.ts";
import { loadCryptoEngine } from "./crypto/engine.ts";
import { requestsOf } from "./crypto/homeserver-requests.ts";
import { createMatrixHttp } from "./http.ts";
import { createHttpExchange } from "./http-exchange.ts";
import { tidyOtherDevices } from "./other-devices.ts";
import { readRecoveryKey, signOwnDevice } from "./own-device.ts";

export type MatrixParts = Pick<ConnectOptions, "config" | "engine" | "http" | "exchange" | "logger"> & {
  readonly recoveryKey: Uint8Array | undefined;
};

const END_REASONS: Readonly<Record<EndReason, string>> = {
  "gave-up": "no sync with the homeserver worked for all the retries; the log says why",
  "device-changed": "the homeserver has ended the bot's device; the next start goes on with a new one",
  "login-refused":
    "the homeserver has ended the bot's session, and the log-in for another one was refused; the log says why",
};

/** Has the bot's device signed, and removes old ones or tells of them. */
const introduce = async (
  parts: MatrixParts,
  joined: Connected,
  options: ConnectChatOptions,
): Promise<void> => {
  const { connection, encryption, deviceId } = joined;
  const { config, logger } = parts;
  const { homeserver, auth } = config.matrix;
  const request = requestsOf(connection.sdk);
  await signOwnDevice({ ...parts, ...options, encryption, request, auth });
  if (options.signal.aborted) return;
  await tidyOtherDevices({
    ...options,
    request,
    homeserver,
    userId: connection.userId,
    deviceId,
    logger,
    password: auth.method === "password" ? auth.password.reveal() : undefined,
  });
};

const chatOf = (parts: MatrixParts, joined: Connected, options: ConnectChatOptions): ConnectedChat => {
  const { connection, encryption } = joined;
  let introduction: Promise<void> | undefined;
  let end: Promise<void> | undefined;
  return {
    ok: true,
    chat: connection.chat,
    start() {
      connection.start();
      introduction = introduce(parts, joined, options);
      return introduction;
    },
    lastGoodSync: connection.lastGoodSync,
    acknowledge: encryption.acknowledge,
    close() {
      end ??= (async () => {
        await connection.close();
        // Its failure is told to whoever has called start.
        await introduction?.catch(() => {});
        await encryption.close();
      })();
      return end;
    },
  };
};

/** ChatNetwork.join on these parts. */
export const connectOn =
  (parts: MatrixParts): ChatNetwork["connect"] =>
  async (options) => {
    const result = await connectWithRetries({
      ...parts,
      ...options,
      connection: {
        mayTalk: options.mayTalk,
        now: options.now,
        handlers: options.handlers,
        onEnd: (reason) => options.onEnd(END_REASONS[reason]),
        onSync: options.onSync,
        onReconnect: () => options.onReconnect(),
        onRenewal: (outcome) => {
          if (outcome === "ok") options.onRenewal();
        },
        onInvitation: options.onInvitation,
      },
    });
    return result?.ok === true ? chatOf(parts, result, options) : result;
  };

export const openMatrix: OpenChat = async (config, logger) => {
  const { matrix, crypto } = config;
  const recoveryKey = readRecoveryKey(crypto.recoveryKeyFile);
  const engine = await loadCryptoEngine(crypto.engine);
  if (!engine.ok) throw new Error(engine.fault);
  logger.info({ engine: engine.engine }, "messages are encrypted by this engine");
  if (engine.engine === "native") {
    logger.info("emoji verifications are not answered: they need CRYPTO_ENGINE=wasm");
  }
  const exchange = createHttpExchange({
    ...(matrix.caFile !== undefined && { caFile: matrix.caFile }),
    logger,
  });
  const http = createMatrixHttp({ homeserver: matrix.homeserver, exchange });
  return {
    engine: engine.engine,
    connect: connectOn({ config, engine, http, exchange, logger, recoveryKey }),
    close: exchange.close,
  };
};
