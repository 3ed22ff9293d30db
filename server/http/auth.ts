// SPDX-License-Identifier: Apache-2.0
// Authenticates and authorizes requests by bearer tokens from files and client certificates, without either on loopback alone, and
// derives the keys of the checksums in statuses from the bearer tokens with which the webhook reads agents.
import { hash, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { FastifyBaseLogger } from "fastify";
import { type ChecksumKey, type KeyedChecksums, keyedChecksums } from "../../hooks/checksum.ts";
import type { ListenerConfig } from "../config/listener.ts";
import { isLoopback } from "../config/loopback.ts";
import { type RereadFile, rereadFiles } from "../config/reread-file.ts";
import { parseTokens } from "../config/token-file.ts";

/**
 * What a route asks for. `open` asks for nothing, `metrics` for any credentials at all, `role` for those that give an agent its role,
 * `role-view` for those and for those that read.
 */
export type Scope = "open" | "metrics" | "read" | "write" | "hook" | "role" | "role-view";

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

/** `tokenName` is the name of the caller's token, where a valid one was sent; `mayWrite`: whether it carries `write`, too. */
type AuthDecision =
  | { ok: true; tokenName?: string; mayWrite?: boolean }
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
  // Digests of equal length behind a key of this process: their comparison tells nothing about a token. Nobody sees one, so that it
  // need be no HMAC, which costs ten times as much with each request.
  const digest = (bearerToken: string) =>
    hash("sha256", Buffer.concat([key, Buffer.from(bearerToken)]), "buffer");
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
 * Writing always takes a token that carries `write`, and an order one that carries `role`: without token files, a client certificate and loopback allow everything
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
  return scope === "write" || scope === "role" ? { ok: false, code: "FORBIDDEN" } : { ok: true };
};

const byToken = (scope: Scope, bearerToken: string | undefined, tokens: KnownTokens): AuthDecision => {
  if (bearerToken === undefined) return { ok: false, code: "UNAUTHENTICATED", challenge: REALM };
  const names = tokens.namesOf(bearerToken);
  const [anyName] = names.values();
  if (anyName === undefined) {
    return { ok: false, code: "UNAUTHENTICATED", challenge: `${REALM}, error="invalid_token"` };
  }
  const name = scope === "metrics" ? anyName : names.get(scope);
  if (name !== undefined) return { ok: true, tokenName: name, mayWrite: names.has("write") };
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

/**
 * Milliseconds for which what is shown under another key stays as it is, after the start and after each change of the
 * tokens: other replicas see a change later, and two that prefer different keys would undo each other's work for ever.
 */
const RENEW_AFTER_MS = 5 * 60_000;

const ID_BYTES = 4;

/** The key that a bearer token gives: HKDF (RFC 5869) with SHA-256. Nothing leads from it back to the token. */
export const checksumKeyOf = (bearerToken: string): ChecksumKey => {
  const bytes = Buffer.from(hkdfSync("sha256", bearerToken, "", "keyswitch checksum", ID_BYTES + 32));
  return { id: bytes.toString("hex", 0, ID_BYTES), secret: bytes.subarray(ID_BYTES) };
};

/** Without any token, on loopback, the key is no secret: there the checksums are as good as plain ones. */
const OPEN_KEY: ChecksumKey = checksumKeyOf("");

export type ChecksumKeyOptions = {
  /** Token files in the order in which their keys are preferred. */
  tokenFiles: readonly string[];
  logger: FastifyBaseLogger;
  /** Milliseconds, monotonic. */
  now?: () => number;
};

/**
 * The checksums under the keys of the tokens as the files have them now; the first token's is the one to show.
 * @throws UnusableFile when a token file can't be used at the start.
 */
export const checksumKeys = ({
  tokenFiles,
  logger,
  now = () => performance.now(),
}: ChecksumKeyOptions): (() => KeyedChecksums) => {
  let changedAt = now();
  const files: RereadFile<ChecksumKey[]>[] = tokenFiles.map((path) =>
    rereadFiles({
      paths: [path],
      parse: (contents) => {
        const tokens = parseTokens(contents);
        return tokens.ok
          ? { ok: true, value: tokens.value.map(({ bearerToken }) => checksumKeyOf(bearerToken)) }
          : tokens;
      },
      onFault: (message) => logger.error(message),
      onChange: () => {
        changedAt = now();
      },
      now,
    }),
  );
  return () => {
    const [first = OPEN_KEY, ...rest] = files.flatMap((file) => file.get());
    return keyedChecksums([first, ...rest], now() - changedAt >= RENEW_AFTER_MS);
  };
};
