// SPDX-License-Identifier: Apache-2.0
// Sends one HTTP request to the API server with the configured credentials, and reads the response whole or line by line, no
// faster than it is consumed.
import type { Logger } from "pino";
import { errors } from "undici";
import { connectionFault } from "../http/connection-fault.ts";
import { type HttpPool, type HttpPoolOptions, openHttpPool } from "../http/http-pool.ts";
import { RequestImpossible } from "./api-failure.ts";
import type { KubernetesConfig, KubernetesCredentials } from "./config.ts";
import type { ExecCredential } from "./exec-credential.ts";
import { ExecCredentials } from "./exec-credentials.ts";

export type Body = AsyncIterable<Uint8Array>;

/** What was read was longer than the limit. */
export class TooLong extends Error {}

/** The whole text. @throws TooLong; the connection is then closed */
export const wholeText = async (body: Body, maxBytes: number): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new TooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
};

/**
 * The lines as they come, without those that are empty.
 * @param onChunk is told each time that something arrived
 * @throws TooLong; the connection is then closed
 */
export async function* lines(
  body: Body,
  maxLineBytes: number,
  onChunk: () => void,
): AsyncGenerator<string, void, undefined> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    onChunk();
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      pending.push(chunk.subarray(from, end));
      const line = Buffer.concat(pending).toString("utf8").trim();
      pending = [];
      bytes = 0;
      from = end + 1;
      if (line !== "") yield line;
    }
    bytes += chunk.length - from;
    if (bytes > maxLineBytes) throw new TooLong();
    if (from < chunk.length) pending.push(chunk.subarray(from));
  }
}

type ApiRequest = {
  readonly method: "GET" | "PATCH";
  /** From `/apis` on, with its query. */
  readonly path: string;
  /** What `authorization` said just before; an exec plugin's credentials are not asked for here. */
  readonly authorization: string | undefined;
  /** A JSON merge patch, RFC 7396. */
  readonly mergePatch?: unknown;
  /** The only limit in time. */
  readonly signal: AbortSignal;
};

type ApiResponse = { readonly status: number; readonly retryAfter: unknown; readonly body: Body };

export type ApiConnection = {
  /** Looks at the token file for each call, so that a new token counts at once. With an exec plugin undefined. */
  authorization(): string | undefined;
  /** Throws what undici throws. @throws RequestImpossible where the exec plugin, or the proxy, fails */
  send(request: ApiRequest): Promise<ApiResponse>;
  close(): Promise<void>;
};

export type ApiConnectionOptions = {
  readonly config: KubernetesConfig;
  readonly logger: Logger;
  readonly connectTimeoutMs: number;
};

const credentialOptions = (
  credentials: KubernetesCredentials,
  exec: ExecCredentials | undefined,
): Partial<HttpPoolOptions> => {
  if (credentials.kind === "token") return { bearerToken: credentials.token };
  if (credentials.kind === "token-file") return { tokenFile: credentials.path };
  if (credentials.kind === "client-certificate") return { clientCertificate: credentials.certificate };
  if (exec !== undefined) return { clientCertificate: { kind: "asked", pair: () => exec.certificate } };
  return {};
};

const caOptions = (ca: KubernetesConfig["ca"]): Partial<HttpPoolOptions> =>
  ca === undefined ? {} : "file" in ca ? { caFile: ca.file } : { ca: ca.pem };

/** @throws UnusableFile when a file of the credentials can't be used at the start. */
const openPool = (
  { config, logger, connectTimeoutMs }: ApiConnectionOptions,
  exec: ExecCredentials | undefined,
): HttpPool =>
  openHttpPool({
    origin: config.origin,
    ...caOptions(config.ca),
    ...(config.serverName !== undefined && { serverName: config.serverName }),
    ...(config.proxy !== undefined && { proxy: config.proxy }),
    ...credentialOptions(config.credentials, exec),
    connectTimeoutMs,
    connections: 8,
    // A hung connection shall take one request along, and not the watch and all others with it.
    allowHttp2: false,
    // Shorter than a call may take: when one has hung in vain, the other connections of before are gone as well.
    maxIdleMs: 4000,
    logger,
    checkEveryMs: 0,
  });

const bearerOf = ({ token }: ExecCredential): string | undefined => token && `Bearer ${token}`;

/** A failure of which it is not known whether it is the server's or the proxy's says so. */
const behindProxy = (error: unknown): unknown => {
  if (error instanceof errors.RequestAbortedError) {
    return new RequestImpossible("can't be reached: the proxy does not open the way to it");
  }
  const { kind, what, stale } = connectionFault(error);
  return kind === "unreachable" && stale === undefined
    ? new RequestImpossible(`or the proxy to it ${what}`)
    : error;
};

class PooledConnection implements ApiConnection {
  readonly #config: KubernetesConfig;
  readonly #exec: ExecCredentials | undefined;
  readonly #http: HttpPool;

  constructor(options: ApiConnectionOptions) {
    const { credentials } = options.config;
    this.#config = options.config;
    this.#exec = credentials.kind === "exec" ? new ExecCredentials(credentials.plugin) : undefined;
    this.#http = openPool(options, this.#exec);
  }

  authorization(): string | undefined {
    return this.#http.authorization();
  }

  send(request: ApiRequest): Promise<ApiResponse> {
    return this.#exec === undefined ? this.#exchange(request) : this.#withPlugin(request, this.#exec);
  }

  async close(): Promise<void> {
    this.#exec?.close();
    await this.#http.close();
  }

  /** Credentials that were kept and are refused are asked for anew, once. */
  async #withPlugin(request: ApiRequest, exec: ExecCredentials): Promise<ApiResponse> {
    const { held } = exec;
    const first = await exec.current(request.signal);
    const response = await this.#exchange({ ...request, authorization: bearerOf(first) });
    if (response.status !== 401) return response;
    exec.refuse(first);
    if (first !== held) return response;
    await response.discard();
    const second = await exec.current(request.signal);
    const answer = await this.#exchange({ ...request, authorization: bearerOf(second) });
    if (answer.status === 401) exec.refuse(second);
    return answer;
  }

  async #exchange({ method, path, authorization, mergePatch, signal }: ApiRequest) {
    const { origin, pathPrefix, proxy } = this.#config;
    try {
      const { statusCode, headers, body } = await this.#http.send({
        origin,
        method,
        path: `${pathPrefix}${path}`,
        headers: {
          accept: "application/json",
          ...(authorization !== undefined && { authorization }),
          ...(mergePatch !== undefined && { "content-type": "application/merge-patch+json" }),
        },
        body: mergePatch === undefined ? null : JSON.stringify(mergePatch),
        signal,
        // Who patches has to know whether the first one was made.
        repeatable: method !== "PATCH",
      });
      const discard = () => body.dump();
      return { status: statusCode, retryAfter: headers["retry-after"], body, discard };
    } catch (error) {
      throw proxy === undefined || signal.aborted ? error : behindProxy(error);
    }
  }
}

/** @throws UnusableFile when a file of the credentials can't be used at the start. */
export const openApiConnection = (options: ApiConnectionOptions): ApiConnection =>
  new PooledConnection(options);
