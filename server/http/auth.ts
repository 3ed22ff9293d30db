// SPDX-License-Identifier: Apache-2.0
// Authenticates and authorizes requests: bearer tokens from files, client certificates, and listeners without either on
// loopback alone.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { FastifyBaseLogger } from "fastify";
import type { ListenerConfig } from "../config/listener.ts";
import { isLoopback } from "../config/loopback.ts";
import { rereadFiles } from "../config/reread-file.ts";
import { parseTokens } from "../config/token-file.ts";

/** What a route asks for. `open` asks for nothing, `metrics` for any credentials at all. */
export type Scope = "open" | "metrics" | "read" | "write" | "hook";

export type AuthOptions = {
  /** Each file's tokens carry the scopes beside it. A token without a name is called by `variable` and its line. */
  tokenFiles: readonly { variable: string; path: string; scopes: readonly Scope[] }[];
  /** Whether callers need a certificate that the listener's client CA signed. */
  clientCertificates: boolean;
  /** Whether the listener is on loopback; without token files and client CA it is then open, but for writing. */
  loopback: boolean;
  /** Milliseconds, monotonic: paces the looks at the token files. */
  now?: () => number;
};

type TokenFile = AuthOptions["tokenFiles"][number];

/** The token file that `variable` names, if it does, and what its tokens may. */
export const tokenFile = (
  variable: string,
  path: string | undefined,
  ...scopes: TokenFile["scopes"]
): TokenFile[] => (path === undefined ? [] : [{ variable, path, scopes }]);

/** What a listener asks of its callers. */
export const authOf = (
  { tls, listenHost }: Pick<ListenerConfig, "tls" | "listenHost">,
  tokenFiles: AuthOptions["tokenFiles"],
): AuthOptions => ({
  tokenFiles,
  clientCertificates: tls?.clientCaFile !== undefined,
  loopback: isLoopback(listenHost),
});

/** `token` is the name of the caller's token, where a valid one was sent. */
type AuthDecision =
  | { ok: true; tokenName?: string }
  | {
      ok: false;
      code: "UNAUTHENTICATED" | "CLIENT_CERTIFICATE_REQUIRED" | "FORBIDDEN";
      challenge?: string;
      tokenName?: string;
    };

/** Whether a caller with this Authorization header on this socket may call a route of this scope. */
export type Authenticator = (scope: Scope, authorization: string | undefined, socket: Socket) => AuthDecision;

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i;
const REALM = 'Bearer realm="keyswitch"';

/** The tokens of all files. */
type KnownTokens = {
  readonly isEmpty: boolean;
  /** The names of a token by the scopes that it carries, the first of each; empty for one that no file holds. */
  namesOf(bearerToken: string): Map<Scope, string>;
};

/** @throws UnusableFile */
const followTokenFiles = ({ tokenFiles, now }: AuthOptions, logger: FastifyBaseLogger): KnownTokens => {
  const key = randomBytes(32);
  // Digests of equal length, under a key of this process: their comparison tells nothing about a token.
  const digest = (bearerToken: string) => createHmac("sha256", key).update(bearerToken).digest();
  const files = tokenFiles.map(({ variable, path, scopes }) => ({
    scopes,
    tokens: rereadFiles({
      paths: [path],
      ...(now !== undefined && { now }),
      parse: (contents) => {
        const tokens = parseTokens(contents);
        if (!tokens.ok) return tokens;
        const named = tokens.value.map(({ bearerToken, name, line }) => ({
          digest: digest(bearerToken),
          name: name ?? `${variable}:${line}`,
        }));
        return { ok: true, value: named };
      },
      onFault: (message) => logger.error(message),
      onChange: (tokens) => logger.info({ file: path, tokens: tokens.length }, "token file read again"),
    }),
  }));
  return {
    isEmpty: files.length === 0,
    namesOf(bearerToken) {
      const presented = digest(bearerToken);
      // Every token is compared, whatever matched before.
      const matching = files.flatMap(({ scopes, tokens }) =>
        tokens
          .get()
          .filter((candidate) => timingSafeEqual(candidate.digest, presented))
          .flatMap(({ name }) => scopes.map((scope) => [scope, name] as const)),
      );
      const names = new Map<Scope, string>();
      for (const [scope, name] of matching) if (!names.has(scope)) names.set(scope, name);
      return names;
    },
  };
};

/**
 * Writing always takes a token that carries `write`: without token files, a client certificate and loopback allow everything
 * else.
 * @throws UnusableFile when a token file can't be used.
 */
export const createAuthenticator = (options: AuthOptions, logger: FastifyBaseLogger): Authenticator => {
  const tokens = followTokenFiles(options, logger);
  return (scope, authorization, socket) => {
    if (scope === "open") return { ok: true };
    if (options.clientCertificates && !hasVerifiedCertificate(socket)) {
      return { ok: false, code: "CLIENT_CERTIFICATE_REQUIRED" };
    }
    return tokens.isEmpty
      ? withoutTokens(scope, options)
      : byToken(scope, BEARER.exec(authorization ?? "")?.[1], tokens);
  };
};

const withoutTokens = (scope: Scope, { clientCertificates, loopback }: AuthOptions): AuthDecision => {
  if (!clientCertificates && !loopback) return { ok: false, code: "UNAUTHENTICATED", challenge: REALM };
  return scope === "write" ? { ok: false, code: "FORBIDDEN" } : { ok: true };
};

const byToken = (scope: Scope, bearerToken: string | undefined, tokens: KnownTokens): AuthDecision => {
  if (bearerToken === undefined) return { ok: false, code: "UNAUTHENTICATED", challenge: REALM };
  const names = tokens.namesOf(bearerToken);
  const [anyName] = names.values();
  if (anyName === undefined) {
    return { ok: false, code: "UNAUTHENTICATED", challenge: `${REALM}, error="invalid_token"` };
  }
  const name = scope === "metrics" ? anyName : names.get(scope);
  if (name !== undefined) return { ok: true, tokenName: name };
  return {
    ok: false,
    code: "FORBIDDEN",
    challenge: `${REALM}, error="insufficient_scope"`,
    tokenName: anyName,
  };
};

/** The subject of the caller's certificate in one line, where the client CA of the listener signed it. */
export const certificateSubject = (socket: Socket): string | undefined =>
  socket instanceof TLSSocket && socket.authorized
    ? socket.getPeerX509Certificate()?.subject.replaceAll("\n", ", ")
    : undefined;

const hasVerifiedCertificate = (socket: Socket): boolean => socket instanceof TLSSocket && socket.authorized;
