// SPDX-License-Identifier: Apache-2.0
// Decides who may call a route: bearer tokens from files, client certificates, and openness on loopback alone.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { FastifyBaseLogger } from "fastify";
import { rereadFiles } from "../config/reread-file.ts";
import { parseTokens } from "./token-file.ts";

/** What a route asks for. `open` asks for nothing, `metrics` for any credentials at all. */
export type Scope = "open" | "metrics" | "read" | "write" | "hook";

export type AuthOptions = {
  /** Each file's tokens carry the scopes beside it. */
  tokenFiles: readonly { path: string; scopes: readonly Scope[] }[];
  /** Whether callers need a certificate that the listener's client CA signed. */
  clientCertificates: boolean;
  /** Whether the listener is on loopback; without token files and client CA it is then open. */
  loopback: boolean;
  /** Milliseconds, monotonic: paces the looks at the token files. */
  now?: () => number;
};

export type AuthDecision =
  | { ok: true }
  | { ok: false; code: "UNAUTHENTICATED" | "CLIENT_CERTIFICATE_REQUIRED" | "FORBIDDEN"; challenge?: string };

/** Whether a caller with this Authorization header on this socket may call a route of this scope. */
export type Authenticator = (scope: Scope, authorization: string | undefined, socket: Socket) => AuthDecision;

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i;
const REALM = 'Bearer realm="keyswitch"';

/**
 * Without token files a client certificate allows everything but `write`: an agent without a write token is read-only.
 * @throws UnusableFile when a token file can't be used.
 */
export const createAuthenticator = (options: AuthOptions, logger: FastifyBaseLogger): Authenticator => {
  const key = randomBytes(32);
  // Digests of equal length, under a key of this process: their comparison tells nothing about a token.
  const digest = (token: string) => createHmac("sha256", key).update(token).digest();
  const files = options.tokenFiles.map(({ path, scopes }) => ({
    scopes,
    digests: rereadFiles({
      paths: [path],
      ...(options.now && { now: options.now }),
      parse: (contents) => {
        const tokens = parseTokens(contents);
        return tokens.ok ? { ok: true, value: tokens.value.map(digest) } : tokens;
      },
      onFault: (message) => logger.error(message),
      onChange: (tokens) => logger.info({ file: path, tokens: tokens.length }, "token file read again"),
    }),
  }));

  /** The scopes of a token, undefined for one that no file holds. Every token is compared, whatever matched before. */
  const scopesOf = (token: string): Set<Scope> | undefined => {
    const presented = digest(token);
    const scopes = new Set<Scope>();
    let known = false;
    for (const file of files)
      for (const candidate of file.digests.get())
        if (timingSafeEqual(candidate, presented)) {
          known = true;
          for (const scope of file.scopes) scopes.add(scope);
        }
    return known ? scopes : undefined;
  };

  return (scope, authorization, socket) => {
    if (scope === "open") return { ok: true };
    if (options.clientCertificates && !hasVerifiedCertificate(socket))
      return { ok: false, code: "CLIENT_CERTIFICATE_REQUIRED" };
    if (files.length === 0) {
      if (options.clientCertificates)
        return scope === "write" ? { ok: false, code: "FORBIDDEN" } : { ok: true };
      return options.loopback ? { ok: true } : { ok: false, code: "UNAUTHENTICATED", challenge: REALM };
    }
    const token = BEARER.exec(authorization ?? "")?.[1];
    if (token === undefined) return { ok: false, code: "UNAUTHENTICATED", challenge: REALM };
    const scopes = scopesOf(token);
    if (scopes === undefined)
      return { ok: false, code: "UNAUTHENTICATED", challenge: `${REALM}, error="invalid_token"` };
    if (scope === "metrics" || scopes.has(scope)) return { ok: true };
    return { ok: false, code: "FORBIDDEN", challenge: `${REALM}, error="insufficient_scope"` };
  };
};

const hasVerifiedCertificate = (socket: Socket): boolean => socket instanceof TLSSocket && socket.authorized;
