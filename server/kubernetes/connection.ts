// SPDX-License-Identifier: Apache-2.0
// Sends one HTTP request to the API server, with whatever credentials the configuration names.
import type { Logger } from "pino";
import type { KubernetesConfig, KubernetesCredentials } from "../config/kubernetes.ts";
import { type HttpPoolOptions, openHttpPool } from "../http/http-pool.ts";
import type { Body } from "./response-body.ts";

export type ApiRequest = {
  readonly method: "GET" | "PATCH";
  /** From `/apis` on, with its query. */
  readonly path: string;
  /** What `authorization` said just before. */
  readonly authorization: string | undefined;
  /** A JSON merge patch, RFC 7396. */
  readonly mergePatch?: unknown;
  /** The only limit in time. */
  readonly signal: AbortSignal;
};

export type ApiResponse = { readonly status: number; readonly retryAfter: unknown; readonly body: Body };

export type ApiConnection = {
  /** Looks at the token file for each call, so that a new token counts at once. */
  authorization(): string | undefined;
  /** Throws what undici throws. */
  send(request: ApiRequest): Promise<ApiResponse>;
  close(): Promise<void>;
};

export type ApiConnectionOptions = {
  readonly config: KubernetesConfig;
  readonly logger: Logger;
  readonly connectTimeoutMs: number;
};

const credentialOptions = (credentials: KubernetesCredentials): Partial<HttpPoolOptions> => {
  if (credentials.kind === "token") return { token: credentials.token };
  if (credentials.kind === "token-file") return { tokenFile: credentials.path };
  if (credentials.kind === "client-certificate") return { clientCertificate: credentials.certificate };
  return {};
};

const caOptions = (ca: KubernetesConfig["ca"]): Partial<HttpPoolOptions> =>
  ca === undefined ? {} : "file" in ca ? { caFile: ca.file } : { ca: ca.pem };

/** @throws UnusableFile when a file of the credentials can't be used at the start. */
export const openApiConnection = (options: ApiConnectionOptions): ApiConnection => {
  const { config, logger, connectTimeoutMs } = options;
  const http = openHttpPool({
    origin: config.origin,
    ...caOptions(config.ca),
    ...(config.serverName !== undefined && { serverName: config.serverName }),
    ...credentialOptions(config.credentials),
    connectTimeoutMs,
    connections: 8,
    // A hung connection shall take one request along, and not the watch and all others with it.
    allowHttp2: false,
    // Shorter than a call may take: when one has hung in vain, the other connections of before are gone as well.
    maxIdleMs: 4000,
    logger,
    checkEveryMs: 0,
  });
  return {
    authorization: http.authorization,
    async send({ method, path, authorization, mergePatch, signal }) {
      const { statusCode, headers, body } = await http.pool().request({
        method,
        path: `${config.pathPrefix}${path}`,
        headers: {
          accept: "application/json",
          ...(authorization !== undefined && { authorization }),
          ...(mergePatch !== undefined && { "content-type": "application/merge-patch+json" }),
        },
        body: mergePatch === undefined ? null : JSON.stringify(mergePatch),
        signal,
      });
      return { status: statusCode, retryAfter: headers["retry-after"], body };
    },
    close: http.close,
  };
};
