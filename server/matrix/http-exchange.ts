// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange with a homeserver or a login provider, over kept connections; every failure becomes a kind and a phrase.
import type { Logger } from "pino";
import { Agent } from "undici";
import { type Parsed, rereadFiles } from "../config/reread-file.ts";
import { connectionFault } from "../http/connection-fault.ts";

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
  /** Whether sending it twice does no harm: then it is sent again where a kept connection turned out to be closed. */
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

const certificates = (contents: Buffer): Parsed<Buffer> =>
  contents.includes("-----BEGIN CERTIFICATE-----")
    ? { ok: true, value: contents }
    : { ok: false, message: "holds no PEM certificate" };

/** @throws UnusableFile when the CA file can't be used at the start. */
export const createHttpExchange = (options: HttpExchangeOptions): HttpExchange => {
  const { caFile, logger } = options;
  const ca =
    caFile === undefined
      ? undefined
      : rereadFiles({
          paths: [caFile],
          parse: certificates,
          ...(options.now && { now: options.now }),
          onFault: (message) => logger?.error(message),
          onChange: () => logger?.info({ file: caFile }, "file read again"),
        });
  const open = (trusted: Buffer | undefined): Agent =>
    new Agent({
      connect: { timeout: options.connectTimeoutMs ?? 10_000, ...(trusted && { ca: trusted }) },
      connections: options.connections ?? 16,
      pipelining: 1,
      keepAliveTimeout: options.keepAliveMs ?? 30_000,
      maxResponseSize: options.maxResponseBytes ?? 64 * 1024 * 1024,
      // The exchange has a deadline of its own; a long poll may be silent for longer than undici's.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  let trusted = ca?.get();
  let current = open(trusted);
  const agent = (): Agent => {
    const now = ca?.get();
    if (now !== trusted) {
      trusted = now;
      // Requests under way end on the old connections, which then go.
      void current.close();
      current = open(trusted);
    }
    return current;
  };
  return {
    async send(request) {
      const deadline = AbortSignal.timeout(Math.max(1, Math.ceil(request.timeoutMs)));
      const signal = request.signal ? AbortSignal.any([request.signal, deadline]) : deadline;
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await exchange(agent(), request, signal);
        } catch (error) {
          if (request.signal?.aborted) return { ok: false, kind: "aborted", what: "was not waited for" };
          if (deadline.aborted) return { ok: false, kind: "timeout", what: "did not answer in time" };
          const fault = connectionFault(error);
          if (fault.kind === "stale" && request.repeatable && attempt === 1) continue;
          const kind = fault.kind === "refused" ? "refused" : "unreachable";
          return { ok: false, kind, what: fault.what };
        }
      }
    },
    close: () => current.destroy(),
  };
};

const exchange = async (agent: Agent, request: HttpRequest, signal: AbortSignal): Promise<HttpReply> => {
  const { url } = request;
  const { statusCode, headers, body } = await agent.request({
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: request.method,
    headers: { "user-agent": "keyswitch", ...request.headers },
    ...(request.body !== undefined && { body: request.body }),
    signal,
  });
  return { ok: true, status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
};
