// SPDX-License-Identifier: Apache-2.0
// Keeps a pool of connections to one server, or to several of one CA, and reloads CA, client certificate and bearer token when
// their files change.
import { createSecureContext } from "node:tls";
import type { Logger } from "pino";
import { Agent, type Dispatcher, Pool, ProxyAgent } from "undici";
import { holdsCertificates } from "../config/ca-certificates.ts";
import { type Parsed, type RereadFile, rereadFiles } from "../config/reread-file.ts";
import type { Secret } from "../config/secret.ts";
import { parseTokens } from "../config/token-file.ts";
import { connectionFault } from "./connection-fault.ts";

/** PEM text of a certificate and of its key. */
export type KeyPair = { readonly cert: string | Buffer; readonly key: string | Buffer };

/** What a client shows in the TLS handshake: PEM text, files of it, or a pair that is asked for each time. */
export type ClientCertificate =
  | { readonly kind: "files"; readonly certFile: string; readonly keyFile: string }
  | { readonly kind: "inline"; readonly cert: string; readonly key: Secret }
  | { readonly kind: "asked"; pair(): KeyPair | undefined };

export type HttpPoolOptions = {
  /** `scheme://host:port`. Without it each request names its own. */
  origin?: string;
  /** Trusted beside nothing else. Without it and `ca` the system's CAs are trusted. */
  caFile?: string;
  /** PEM text in place of `caFile`. */
  ca?: string;
  /** The name that the server's certificate must have, where it is not the origin's host. */
  serverName?: string;
  clientCertificate?: ClientCertificate;
  /** The address of an HTTP proxy, with its user and password where it has them; a request then names its origin. */
  proxy?: Secret;
  /** The first token of the file is sent. */
  tokenFile?: string;
  /** In place of `tokenFile`. */
  bearerToken?: Secret;
  connectTimeoutMs: number;
  /** Connections at once to one server; further requests wait for one. */
  connections: number;
  /** An idle connection is kept this long where the server does not say; default 4000. */
  idleMs?: number;
  /** An idle connection is kept no longer than this, also where the server offers more. */
  maxIdleMs?: number;
  /** Without it the caller limits what it reads. */
  maxResponseBytes?: number;
  /** Offered in the TLS handshake beside HTTP/1.1; default true. */
  allowHttp2?: boolean;
  /** Told of files that change, or that can no longer be used. */
  logger?: Logger;
  /** Milliseconds, monotonic: paces the looks at the files. */
  now?: () => number;
  /** The files are looked at no more often than this; default 1000. */
  checkEveryMs?: number;
};

/** A request as undici takes it; its body can be sent twice. `signal` is its only limit in time. */
type PooledRequest = Dispatcher.RequestOptions & {
  readonly body?: string | Uint8Array | null;
  /** Whether sending it twice does no harm: it changes nothing, or by its condition only once. */
  readonly repeatable: boolean;
};

/**
 * What all clients stand on. They stay apart above it: the one of the agents makes a tagged answer of each request, that of Matrix reads
 * whole answers of several hosts, and that of the API server reads line by line, comes back when it is told to, and says whether a
 * patch may have been made.
 */
export type HttpPool = {
  /**
   * Answers once the head of the answer is there; the body is the caller's to read, and to limit. A request that is repeatable is
   * sent once more where the connection is closed before: it may be one that was kept for too long. (undici does not tell whether
   * it was kept.) An answer that is cut after its head is not asked for again.
   * @throws what undici throws: connectionFault says what it means
   */
  send(request: PooledRequest): Promise<Dispatcher.ResponseData>;
  /** `Bearer …`, or undefined without a token. */
  authorization(): string | undefined;
  close(): Promise<void>;
};

const certificates = (contents: Buffer): Parsed<Buffer> =>
  holdsCertificates(contents)
    ? { ok: true, value: contents }
    : { ok: false, message: "does not hold whole PEM certificates" };

const keyPair = (cert: Buffer, key: Buffer): Parsed<KeyPair> => {
  try {
    createSecureContext({ cert, key });
    return { ok: true, value: { cert, key } };
  } catch {
    return { ok: false, message: "do not fit together" };
  }
};

/** What the pool is opened with that may change. */
type Credentials = {
  /** The CAs in place of the system's. */
  trusted(): string | Buffer | undefined;
  shown(): KeyPair | undefined;
  bearerToken(): string | undefined;
};

/** @throws UnusableFile */
const followCredentials = (options: HttpPoolOptions): Credentials => {
  const { origin, caFile, tokenFile, clientCertificate: certificate, logger } = options;
  const follow = <T, const Paths extends readonly string[]>(
    paths: Paths,
    parse: (...contents: { [I in keyof Paths]: Buffer }) => Parsed<T>,
  ): RereadFile<T> =>
    rereadFiles({
      paths,
      parse,
      ...(options.now !== undefined && { now: options.now }),
      ...(options.checkEveryMs !== undefined && { checkEveryMs: options.checkEveryMs }),
      onFault: (message) => logger?.error({ origin }, message),
      onChange: () => logger?.info({ origin, file: paths[0] }, "file read again"),
    });
  const ca = caFile === undefined ? undefined : follow([caFile], certificates);
  const bearerToken = tokenFile === undefined ? undefined : follow([tokenFile], parseTokens);
  const pair =
    certificate?.kind === "files" ? follow([certificate.certFile, certificate.keyFile], keyPair) : undefined;
  const fixedPair: KeyPair | undefined =
    certificate?.kind === "inline" ? { cert: certificate.cert, key: certificate.key.reveal() } : undefined;
  const asked = certificate?.kind === "asked" ? certificate : undefined;
  return {
    trusted: () => ca?.get() ?? options.ca,
    shown: () => pair?.get() ?? asked?.pair() ?? fixedPair,
    bearerToken: () => bearerToken?.get()[0].bearerToken ?? options.bearerToken?.reveal(),
  };
};

const tlsOf = (
  options: HttpPoolOptions,
  trusted: string | Buffer | undefined,
  shown: KeyPair | undefined,
) => ({
  timeout: options.connectTimeoutMs,
  ...(trusted !== undefined && { ca: trusted }),
  ...(options.serverName !== undefined && { servername: options.serverName }),
  ...shown,
});

const settingsOf = (options: HttpPoolOptions) => ({
  connections: options.connections,
  pipelining: 1,
  // Each request has a deadline of its own, and a long poll may be silent for longer than undici's.
  headersTimeout: 0,
  bodyTimeout: 0,
  ...(options.idleMs !== undefined && { keepAliveTimeout: options.idleMs }),
  ...(options.maxIdleMs !== undefined && { keepAliveMaxTimeout: options.maxIdleMs }),
  ...(options.maxResponseBytes !== undefined && { maxResponseSize: options.maxResponseBytes }),
  ...(options.allowHttp2 !== undefined && { allowH2: options.allowHttp2 }),
});

const openPool = (
  options: HttpPoolOptions,
  trusted: string | Buffer | undefined,
  shown: KeyPair | undefined,
): Dispatcher => {
  const settings = settingsOf(options);
  const connect = tlsOf(options, trusted, shown);
  if (options.proxy !== undefined) {
    return new ProxyAgent({
      ...settings,
      uri: options.proxy.reveal(),
      requestTls: connect,
      // The proxy's own certificate is the system's business: the CA and the client's certificate are the server's.
      proxyTls: { timeout: options.connectTimeoutMs },
      // undici waits 300 s for what a proxy says to CONNECT, and does not end the requests that wait for it before.
      clientFactory: (proxy, connecting) =>
        new Pool(proxy, { ...connecting, headersTimeout: options.connectTimeoutMs }),
    });
  }
  return options.origin === undefined
    ? new Agent({ ...settings, connect })
    : new Pool(options.origin, { ...settings, connect });
};

/** @throws UnusableFile when a file can't be used at the start. */
export const openHttpPool = (options: HttpPoolOptions): HttpPool => {
  const credentials = followCredentials(options);
  let trusted = credentials.trusted();
  let shown = credentials.shown();
  let current = openPool(options, trusted, shown);
  /** What makes the next request; kept by nobody. */
  const pool = (): Dispatcher => {
    const trustedNow = credentials.trusted();
    const shownNow = credentials.shown();
    if (trustedNow !== trusted || shownNow !== shown) {
      trusted = trustedNow;
      shown = shownNow;
      // Requests under way end on the old connections, which then go.
      void current.close();
      current = openPool(options, trusted, shown);
    }
    return current;
  };
  return {
    async send({ repeatable, ...request }) {
      try {
        return await pool().request(request);
      } catch (error) {
        if (!repeatable || connectionFault(error).stale === undefined) throw error;
        return pool().request(request);
      }
    },
    authorization() {
      const bearerToken = credentials.bearerToken();
      return bearerToken && `Bearer ${bearerToken}`;
    },
    close: () => current.destroy(),
  };
};
