// SPDX-License-Identifier: Apache-2.0
// Runs the bot's connection without its commands: records incoming events, which can be waited for.
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Logger, pino } from "pino";
import type { Test } from "tap";
import type { Homeserver, RegisteredUser } from "../../scripts/homeserver/synapse.ts";
import { createNotifier } from "../../scripts/local/notifier.ts";
import type { Authorship } from "../../server/bot/chat.ts";
import { type BotStore, openBotStore } from "../../server/bot/store.ts";
import { parseMatrixConfig } from "../../server/config/matrix.ts";
import { connectToMatrix, type MatrixConnection } from "../../server/matrix/connect.ts";
import { type Encryption, forgetDevice, openEncryption } from "../../server/matrix/crypto/encryption.ts";
import { type EngineResult, loadCryptoEngine } from "../../server/matrix/crypto/engine.ts";
import { requestsOf } from "../../server/matrix/crypto/homeserver-requests.ts";
import { createMatrixHttp } from "../../server/matrix/http.ts";
import { createHttpExchange } from "../../server/matrix/http-exchange.ts";
import { openSession } from "../../server/matrix/session.ts";
import type { Sleep } from "../../server/time.ts";

/** Something that the connection told, in words that a test can compare: `message hello resumed`, `sync ok`. */
type Told = { what: string; id?: string; room?: string; sender?: string; authorship?: Authorship };

export type BotConnection = MatrixConnection & {
  readonly deviceId: string;
  readonly told: readonly Told[];
  readonly logged: readonly string[];
  readonly store: BotStore;
  readonly encryption: Encryption;
  /**
   * The first thing told that is `what`, from `from` on, whether it came already or will.
   * @throws Error saying what was told and logged instead, when it does not come
   */
  until(what: string | RegExp, from?: number): Promise<Told>;
  /** Closes all, as at the end of the process. */
  stop(): Promise<void>;
};

export type BotConnectionOptions = {
  homeserver: Homeserver;
  account: RegisteredUser;
  folder: string;
  allowed: readonly string[];
  sleep?: Sleep;
  /** Milliseconds; a test that says how late a key is has a clock of its own. */
  now?: () => number;
  /** Called for each message, as the journal is. */
  onMessage?: (text: string) => void;
  policy?: "warn" | "refuse";
};

let engine: Promise<EngineResult> | undefined;

export const sleepFor: Sleep = (ms, signal) => delay(ms, undefined, { signal }).catch(() => {});

/** @throws Error when it can't log in */
export const startBotConnection = async (t: Test, options: BotConnectionOptions): Promise<BotConnection> => {
  const { homeserver, account, allowed } = options;
  engine ??= loadCryptoEngine("wasm");
  const loaded = await engine;
  if (!loaded.ok) throw new Error(loaded.fault);
  const parsed = parseMatrixConfig({
    MATRIX_HOMESERVER: homeserver.baseUrl,
    MATRIX_USER: account.userId,
    MATRIX_PASSWORD: account.password,
  });
  if (!parsed.ok) throw new Error("the configuration is wrong");
  const exchange = createHttpExchange({});
  const http = createMatrixHttp({ homeserver: homeserver.baseUrl, exchange });
  const store = openBotStore(options.folder);
  const open = (forget: () => void) =>
    openSession(parsed.config, store, { http, exchange, now: Date.now, randomBytes, forgetDevice: forget });
  const opened = await open(() => forgetDevice(store));
  if (!opened.ok) throw new Error(opened.reason);
  const { session } = opened;
  const logged: string[] = [];
  const logger: Logger = pino({ level: "debug", base: null }, { write: (line) => void logged.push(line) });

  const told: Told[] = [];
  const notifier = createNotifier();
  const tell = (one: Told): void => {
    told.push(one);
    notifier.notify();
  };
  const encryption = await openEncryption({
    engine: loaded,
    store,
    folder: options.folder,
    userId: session.userId,
    deviceId: session.deviceId,
    logger,
    trust: { policy: options.policy ?? "warn", allowedUsers: allowed, identities: [] },
    onIdentityChange: ({ user }) => tell({ what: "identity", sender: user }),
  });
  const connection = await connectToMatrix({
    http,
    exchange,
    session,
    openSession: open,
    store,
    encryption,
    mayTalk: (user) => allowed.includes(user),
    logger,
    now: options.now ?? (() => performance.now()),
    sleep: options.sleep ?? sleepFor,
    handlers: {
      onMessage({ id, room, sender, text, authorship }, { resumed }) {
        options.onMessage?.(text);
        tell({ what: `message ${text}${resumed ? "" : " (not resumed)"}`, id, room, sender, authorship });
      },
      onPlainText: ({ id, room, sender }) => tell({ what: "plain text", id, room, sender }),
      onUndecryptable: ({ id, room, sender }) => tell({ what: "undecryptable", id, room, sender }),
      onRefused: ({ id, room, sender }, reason) => tell({ what: `refused ${reason}`, id, room, sender }),
      onRefresh: (id, { room, sender }) => tell({ what: "refresh", id, room, sender }),
      onConfirm: (id, { room, sender, authorship }) =>
        tell({ what: "confirm", id, room, sender, authorship }),
      onRedacted: (room, id) => tell({ what: "redacted", id, room }),
      onUnreadGap: (room) => tell({ what: "unread gap", room }),
      onLeft: (room, sender) => tell({ what: "left", room, sender }),
    },
    onEnd: (reason) => tell({ what: `end ${reason}` }),
    onSync: (outcome) => tell({ what: `sync ${outcome}` }),
    onReconnect: (failures) => tell({ what: `reconnect ${failures}` }),
    onRenewal: (outcome) => tell({ what: `renewal ${outcome}` }),
    onInvitation: (outcome) => tell({ what: `invitation ${outcome}` }),
  });
  await encryption.start({ request: requestsOf(connection.sdk), password: account.password });

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      await connection.close();
      await encryption.close();
      store.close();
      await exchange.close();
    })();
    return stopped;
  };
  t.teardown(stop);
  connection.start();
  return {
    ...connection,
    deviceId: session.deviceId,
    told,
    logged,
    store,
    encryption,
    stop,
    until(what, from = 0) {
      const find = () =>
        told.slice(from).find((one) => (typeof what === "string" ? one.what === what : what.test(one.what)));
      const seen = () => {
        const words = told.map((one, at) => `${at} ${one.what}`).slice(-20);
        return [`Told, from ${from} on or before:`, ...words, "Logged:", ...logged.slice(-10)].join("\n");
      };
      return notifier.until(`the bot tells “${what}”`, find, { seen });
    },
  };
};
