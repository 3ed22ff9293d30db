// SPDX-License-Identifier: Apache-2.0
// Connects the bot to a simulated homeserver without pauses, and records requests, logs and sleeps.
import { randomBytes } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { pino } from "pino";
import type { Test } from "tap";
import { openBotStore } from "../../server/bot/store.ts";
import type { EndReason } from "../../server/matrix/connect.ts";
import { type Connected, connectWithRetries } from "../../server/matrix/connect-with-retries.ts";
import { loadCryptoEngine } from "../../server/matrix/crypto/engine.ts";
import { createMatrixHttp } from "../../server/matrix/http.ts";
import type { HttpExchange, HttpFailure, HttpRequest } from "../../server/matrix/http-exchange.ts";
import { botConfigIn } from "../bot/bot-config.ts";

export const USER = "@bot:example.org";
export const PASSWORD = randomBytes(12).toString("hex");
/** What a homeserver that is not there comes to. */
export const AWAY: HttpFailure = { ok: false, kind: "unreachable", what: "refused the connection" };

const LogIn = Type.Object({ device_id: Type.String() });

/** An answer of the homeserver, or what comes instead. */
export type Reply = { status: number; body: unknown } | HttpFailure;
/** Answers in place of the homeserver; undefined: as a good one would. */
export type Mood = (path: string, count: number) => Reply | "hangs" | undefined;

const engine = await loadCryptoEngine("wasm");
if (!engine.ok) throw new Error(engine.fault);

/** A homeserver of one account, whose log-ins make the devices D1, D2 … or go on with the one that is asked for. */
const homeserver = (mood: Mood) => {
  const asked: string[] = [];
  /** Tokens that are accepted, with their device. */
  const tokens = new Map<string, string>();
  const good = ({ method, url, headers, body }: HttpRequest): Reply => {
    const path = `${method} ${url.pathname.replace("/_matrix/client/v3/", "")}`;
    if (path === "POST login") {
      const login: unknown = JSON.parse(String(body));
      if (!Value.Check(LogIn, login)) return { status: 400, body: { errcode: "M_BAD_JSON", error: "" } };
      const { device_id: device } = login;
      const token = `token-${asked.length}`;
      tokens.set(token, device);
      return { status: 200, body: { user_id: USER, device_id: device, access_token: token } };
    }
    const device = tokens.get(
      (headers?.authorization ?? headers?.Authorization ?? "").replace("Bearer ", ""),
    );
    if (device === undefined) return { status: 401, body: { errcode: "M_UNKNOWN_TOKEN", error: "" } };
    if (path === "GET account/whoami") return { status: 200, body: { user_id: USER, device_id: device } };
    if (path === "POST keys/upload") {
      return { status: 200, body: { one_time_key_counts: { signed_curve25519: 50 } } };
    }
    return { status: 200, body: {} };
  };
  const exchange: HttpExchange = {
    async send(request) {
      const path = request.url.pathname.replace("/_matrix/client/v3/", "");
      asked.push(path);
      const reply = mood(path, asked.filter((other) => other === path).length) ?? good(request);
      if (reply === "hangs") {
        const { promise, resolve } = Promise.withResolvers<void>();
        request.signal?.addEventListener("abort", () => resolve());
        await promise;
        return { ok: false, kind: "aborted", what: "was not waited for" };
      }
      if ("ok" in reply) return reply;
      return { ok: true, headers: {}, status: reply.status, body: Buffer.from(JSON.stringify(reply.body)) };
    },
    close: async () => {},
  };
  return { asked, tokens, exchange };
};

/** Joins, with a homeserver in this mood; the end of the process comes in pause number `abortIn`, or when `ending` is aborted. */
export const connectWith = async (
  t: Test,
  mood: Mood,
  { abortIn, ending = new AbortController() }: { abortIn?: number; ending?: AbortController } = {},
) => {
  const folder = t.testdir();
  const config = botConfigIn(folder, { user: USER, password: PASSWORD, allowed: "@alice:example.org" });
  const server = homeserver(mood);
  const store = openBotStore(folder);
  t.teardown(() => store.close());
  const sleeps: number[] = [];
  const logins: string[] = [];
  const ends: EndReason[] = [];
  const logged: string[] = [];
  const logger = pino({ level: "debug" }, { write: (line) => void logged.push(line) });
  if (abortIn === 0) ending.abort();
  const result = await connectWithRetries({
    config,
    store,
    engine,
    http: createMatrixHttp({ homeserver: config.matrix.homeserver, exchange: server.exchange }),
    exchange: server.exchange,
    logger,
    onLogIn: (method, outcome) => logins.push(`${method} ${outcome}`),
    async sleep(ms) {
      sleeps.push(ms);
      if (sleeps.length === abortIn) ending.abort();
    },
    signal: ending.signal,
    onIdentityChange: () => {},
    connection: {
      mayTalk: () => false,
      handlers: {
        onMessage: () => {},
        onPlainText: () => {},
        onUndecryptable: () => {},
        onUnreadGap: () => {},
        onRefused: () => {},
        onRefresh: () => {},
        onConfirm: () => {},
        onRedacted: () => {},
        onLeft: () => {},
      },
      now: () => performance.now(),
      onEnd: (reason) => ends.push(reason),
    },
  });
  const close = async ({ connection, encryption }: Connected): Promise<void> => {
    await connection.close();
    await encryption.close();
  };
  return { ...server, result, store, sleeps: [...sleeps], logins, ends, logged, close };
};

/** The success that `result` must be. */
export const joined = (result: Awaited<ReturnType<typeof connectWithRetries>>): Connected => {
  if (result?.ok !== true) throw new Error(`not joined: ${result?.reason}`);
  return result;
};
