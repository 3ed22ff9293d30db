// SPDX-License-Identifier: Apache-2.0
// One POST to a webhook over HTTP or HTTPS with the headers that Go's client sends, and one deadline for all of it.
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { HookConnection } from "./hook-connection.ts";

/** Where a host and port lie on this machine; undefined leaves them to the resolver of the system. */
export type ResolveService = (host: string, port: number) => { host: string; port: number } | undefined;

export type HookReply =
  | { kind: "reply"; status: number; headers: { etag?: string; retryAfter?: string }; text: string }
  /** `fault` is Go's text where users meet it, else Node's code. */
  | { kind: "unreachable"; fault: string };

export type HookTransport = {
  post: (body: string, headers: { [name: string]: string }) => Promise<HookReply>;
  close: () => void;
};

export type TransportOptions = {
  url: URL;
  timeoutMs: number;
  connection: HookConnection;
  resolveService?: ResolveService | undefined;
};

const unzip = promisify(gunzip);
const UNTRUSTED = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
/** What Go's client says of the faults that users look for in Metacontroller's log. */
const GO_FAULTS: { [code: string]: string } = {
  TIMEOUT: "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
  ECONNRESET: "EOF",
  CERT_HAS_EXPIRED: "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
};
const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "FAILED";

/** A transport for one hook. The certificate is checked against the URL's host, wherever the connection goes. */
export const createHookTransport = (options: TransportOptions): HookTransport => {
  const { url, timeoutMs, connection, resolveService } = options;
  const secure = url.protocol === "https:";
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port || (secure ? 443 : 80));
  const kept = { keepAlive: true, maxSockets: 32 };
  const tls = {
    ...(connection.ca === undefined ? {} : { ca: connection.ca }),
    ...connection.clientCertificate,
    // SNI carries names alone.
    servername: isIP(hostname) ? "" : hostname,
  };
  // The agent's, not each request's: Node keeps no connection whose certificate a request checks in its own way.
  const identity = {
    checkServerIdentity: (_host: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(hostname, certificate),
  };
  const agent = secure ? new HttpsAgent({ ...kept, ...identity }) : new HttpAgent(kept);

  const post = (body: string, headers: { [name: string]: string }, again = true): Promise<HookReply> =>
    new Promise<HookReply>((resolve) => {
      const target = resolveService?.(hostname, port) ?? { host: hostname, port };
      const signal = AbortSignal.timeout(timeoutMs);
      const fail = (error: unknown) => {
        const code = signal.aborted ? "TIMEOUT" : codeOf(error);
        // The other side closed an idle connection at the moment we took it: as in Go, that is no failure yet.
        if (again && request.reusedSocket && code === "ECONNRESET") resolve(post(body, headers, false));
        else if (code === "ECONNREFUSED") {
          const address = `${target.host}:${target.port}`;
          resolve({ kind: "unreachable", fault: `dial tcp ${address}: connect: connection refused` });
        } else resolve({ kind: "unreachable", fault: GO_FAULTS[code] ?? code });
      };
      const settings: RequestOptions = {
        agent,
        signal,
        method: "POST",
        host: target.host,
        port: target.port,
        path: `${url.pathname}${url.search}`,
        headers: {
          host: url.host,
          "user-agent": "Go-http-client/1.1",
          "content-length": Buffer.byteLength(body),
          "content-type": "application/json",
          ...(connection.authorization === undefined ? {} : { authorization: connection.authorization }),
          ...headers,
          "accept-encoding": "gzip",
        },
      };
      const receive = (response: IncomingMessage) => {
        read(response).then(resolve, fail);
      };
      const request = secure
        ? httpsRequest({ ...settings, ...tls }, receive)
        : httpRequest(settings, receive);
      // Go sends no Connection header; without it Node keeps the connection all the same.
      request.removeHeader("connection");
      request.once("error", fail);
      request.end(body);
    });
  return { post, close: () => agent.destroy() };
};

const read = async (response: IncomingMessage): Promise<HookReply> => {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const plain = response.headers["content-encoding"] === "gzip" ? await unzip(bytes) : bytes;
  const { etag, "retry-after": retryAfter } = response.headers;
  return {
    kind: "reply",
    status: response.statusCode ?? 0,
    headers: { ...(etag ? { etag } : {}), ...(retryAfter ? { retryAfter } : {}) },
    text: plain.toString("utf8"),
  };
};
