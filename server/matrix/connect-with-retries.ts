// SPDX-License-Identifier: Apache-2.0
// Connects the bot to Matrix at its start, with as many retries as for a lost connection.
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { ChatConfig, IdentityChange } from "../bot/chat.ts";
import type { BotStore } from "../bot/store.ts";
import { createBackoff, type Sleep } from "../time.ts";
import { connectToMatrix, type MatrixConnection, type MatrixConnectionOptions } from "./connect.ts";
import { type Encryption, forgetDevice, openEncryption } from "./crypto/encryption.ts";
import type { CryptoEngine } from "./crypto/engine.ts";
import { describeFault, type MatrixHttp } from "./http.ts";
import type { HttpExchange } from "./http-exchange.ts";
import { isTransient, RequestFailed, retryAfterOf } from "./request-failed.ts";
import { openSession } from "./session.ts";

export type ConnectOptions = {
  readonly config: ChatConfig;
  readonly store: BotStore;
  readonly engine: CryptoEngine;
  readonly http: MatrixHttp;
  readonly exchange: HttpExchange;
  readonly logger: Logger;
  /** One log-in by `AUTH_METHOD`: `ok`, or why it failed. */
  readonly onLogIn: (method: string, outcome: string) => void;
  readonly sleep: Sleep;
  /** Ends the tries. */
  readonly signal: AbortSignal;
  readonly onIdentityChange: (change: IdentityChange) => void;
  /** What the connection needs beside what is made here. */
  readonly connection: Omit<
    MatrixConnectionOptions,
    "http" | "exchange" | "session" | "openSession" | "store" | "encryption" | "logger" | "sleep" | "starting"
  >;
};

export type Connected = {
  readonly connection: MatrixConnection;
  readonly encryption: Encryption;
  readonly deviceId: string;
};

/** `reason` is for the operator: what is wrong and what to do. */
export type ConnectResult =
  | ({ readonly ok: true } & Connected)
  | { readonly ok: false; readonly reason: string };

type Attempt =
  | ({ readonly ok: true } & Connected)
  | { readonly ok: false; readonly reason: string; readonly retry: boolean; readonly retryAfterMs?: number };

const attempt = async (options: ConnectOptions): Promise<Attempt> => {
  const { config, store, engine, http, exchange, logger, signal, onLogIn } = options;
  const { method } = config.matrix.auth;
  let encryption: Encryption | undefined;
  const open = async () => {
    const opened = await openSession(config.matrix, store, {
      http,
      exchange,
      now: Date.now,
      randomBytes,
      forgetDevice() {
        forgetDevice(store);
        encryption?.abandon();
      },
      signal,
    });
    if (!opened.ok) onLogIn(method, opened.stage);
    else if (opened.origin !== "reused") onLogIn(method, "ok");
    return opened;
  };
  const opened = await open();
  if (!opened.ok) return opened;
  const { session } = opened;
  logger.info({ user: session.userId, device: session.deviceId, session: opened.origin }, "logged in");
  encryption = await openEncryption({
    engine,
    store,
    folder: config.crypto.storePath,
    userId: session.userId,
    deviceId: session.deviceId,
    logger,
    trust: { ...config.trust, allowedUsers: config.allowedUsers },
    onIdentityChange: options.onIdentityChange,
  });
  try {
    const connection = await connectToMatrix({
      ...options.connection,
      starting: signal,
      http,
      exchange,
      session,
      openSession: open,
      store,
      encryption,
      logger,
      sleep: options.sleep,
    });
    return { ok: true, connection, encryption, deviceId: session.deviceId };
  } catch (error) {
    await encryption.close();
    if (!(error instanceof RequestFailed)) throw error;
    const { fault } = error;
    const retryAfterMs = retryAfterOf(fault);
    return {
      ok: false,
      reason: `The homeserver ${describeFault(fault)}.`,
      retry: isTransient(fault),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  }
};

/** Undefined when `signal` ended it. */
export const connectWithRetries = async (options: ConnectOptions): Promise<ConnectResult | undefined> => {
  const { logger, signal, sleep } = options;
  const backoff = createBackoff();
  while (!signal.aborted) {
    const result = await attempt(options);
    if (result.ok) return result;
    if (signal.aborted) break;
    const delayMs = result.retry ? backoff.failed(result.retryAfterMs) : undefined;
    if (delayMs === undefined) return { ok: false, reason: result.reason };
    logger.warn({ retry: backoff.failures, delayMs, reason: result.reason }, "not connected; trying again");
    await sleep(delayMs, signal);
  }
  return undefined;
};
