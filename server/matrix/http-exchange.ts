// SPDX-License-Identifier: Apache-2.0
// Sends one HTTP request to a homeserver or a login provider over a pool; every failure becomes a kind and a phrase.
import type { Logger } from "pino";
import { connectionFault } from "../http/connection-fault.ts";
import { type HttpPool, openHttpPool } from "../http/http-pool.ts";
import { timeLimit } from "../time.ts";

export type HttpExchangeOptions = {
  /** PEM; trusted instead of the system's CAs, and read again when it changes. */
  caFile?: string;
  logger?: Logger;
  connectTimeoutMs?: number;
  /** Connections at once to one host; further requests wait for one. */
  connections?: number;
  /** A larger answer is refused. */
  maxResponseBytes?: number;
  /** An idle connection is kept this long. */
  keepAliveMs?: number;
  /** Milliseconds, monotonic: paces the looks at the CA file. */
  now?: () => number;
};

export type HttpRequest = {
  method: string;
  url: URL;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** For the whole exchange. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Whether sending it twice does no harm: see PooledRequest. */
  repeatable: boolean;
};

/** `what` completes "The homeserver …" and holds nothing of an answer. */
export type HttpFailure = {
  ok: false;
  /** `refused`: an answer came that is not taken (not HTTP, too large); `aborted`: by the caller's signal. */
  kind: "unreachable" | "timeout" | "refused" | "aborted";
  what: string;
};

export type HttpReply = {
  ok: true;
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
};

export type HttpExchange = {
  /** Never throws for what a network or a peer does. Redirects are answers; nobody follows them here. */
  send(request: HttpRequest): Promise<HttpReply | HttpFailure>;
  close(): Promise<void>;
};

/** @throws UnusableFile when the CA file can't be used at the start. */
export const createHttpExchange = (options: HttpExchangeOptions): HttpExchange => {
  const { caFile, logger, now } = options;
  const http = openHttpPool({
    ...(caFile !== undefined && { caFile }),
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    connections: options.connections ?? 16,
    idleMs: options.keepAliveMs ?? 30_000,
    maxResponseBytes: options.maxResponseBytes ?? 64 * 1024 * 1024,
    ...(logger !== undefined && { logger }),
    ...(now !== undefined && { now }),
  });
  return { send: (request) => exchange(http, request), close: http.close };
};

const exchange = async (http: HttpPool, request: HttpRequest): Promise<HttpReply | HttpFailure> => {
  const limit = timeLimit(request.timeoutMs);
  const signal = request.signal ? AbortSignal.any([request.signal, limit]) : limit;
  try {
    return await answered(http, request, signal);
  } catch (error) {
    if (signal.aborted) return givenUp(request);
    const { kind, what } = connectionFault(error);
    return { ok: false, kind, what };
  }
};

const givenUp = ({ signal }: HttpRequest): HttpFailure =>
  signal?.aborted
    ? { ok: false, kind: "aborted", what: "was not waited for" }
    : { ok: false, kind: "timeout", what: "did not answer in time" };

const answered = async (http: HttpPool, request: HttpRequest, signal: AbortSignal): Promise<HttpReply> => {
  const { url } = request;
  const { statusCode, headers, body } = await http.send({
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: request.method,
    headers: { "user-agent": "keyswitch", ...request.headers },
    ...(request.body !== undefined && { body: request.body }),
    signal,
    repeatable: request.repeatable,
  });
  return { ok: true, status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
};
