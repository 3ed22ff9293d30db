// SPDX-License-Identifier: Apache-2.0
// Implements a double of Keycloak 26: one realm on loopback that gives access tokens for passwords and signs users on in a
// browser. Every token is signed with a key that is generated for the test.
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { exportJWK, exportSPKI, generateKeyPair, jwtVerify, SignJWT } from "jose";
import type { Test } from "tap";
import { createSignOn, type Reply } from "./sign-on.ts";

export type KeycloakUser = {
  name: string;
  password: string;
  enabled?: boolean;
  /** A second factor is asked for in the browser; a token for the password alone is then refused. */
  otp?: boolean;
  /** The password is temporary. */
  mustChangePassword?: boolean;
  /** The id; a UUID unless it is given. */
  sub?: string;
};

export type KeycloakClient = {
  id: string;
  /** Absent for a public client. */
  secret?: string;
  directAccessGrants?: boolean;
  /** Access token signature algorithm: RS256 unless it is given. */
  accessTokenAlgorithm?: "RS256" | "HS512";
  redirectUris?: string[];
};

export type KeycloakOptions = {
  realm?: string;
  users: readonly KeycloakUser[];
  clients: readonly KeycloakClient[];
};

/** A whole answer in place of the token endpoint's. */
type Canned = { status: number; type?: string; body: string };

export type Keycloak = {
  /** KEYCLOAK_URL */
  readonly url: string;
  readonly realm: string;
  readonly issuer: string;
  /** The realm's public key, PEM (SPKI). */
  readonly publicKey: string;
  /** The text that the realm's key for HS512 was made of. */
  readonly hmacSecret: string;
  /** Changes the claims of access tokens, as mappers do. A claim that is undefined is left out. */
  mapClaims: ((claims: Record<string, unknown>) => Record<string, unknown>) | undefined;
  /** What the token endpoint answers instead. */
  canned: Canned | undefined;
  /** Every token that was given. */
  readonly given: string[];
  /** The sum of passwords that were sent, right or wrong. */
  passwordsTried: number;
  close(): Promise<void>;
};

const json = (status: number, value: unknown): Reply => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});
const oauthError = (status: number, error: string, description: string): Reply =>
  json(status, { error, error_description: description });
const LIFETIME_SECONDS = 300;

/** Starts it on a free port; it ends with `t`. */
export const startKeycloak = async (t: Test, options: KeycloakOptions): Promise<Keycloak> => {
  const { realm = "matrix", clients } = options;
  const users = options.users.map((user) => ({ ...user, sub: user.sub ?? randomUUID() }));
  type User = (typeof users)[number];
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const kid = randomUUID();
  const hmacSecret = randomBytes(48).toString("base64url");
  const base = () => `${double.url}/realms/${realm}`;
  const signOn = createSignOn({
    realm,
    base,
    users,
    clients,
    onPassword: () => {
      double.passwordsTried += 1;
    },
  });

  const sign = (claims: Record<string, unknown>, alg: KeycloakClient["accessTokenAlgorithm"] = "RS256") =>
    new SignJWT(claims)
      .setProtectedHeader({ alg, typ: "JWT", kid: alg === "RS256" ? kid : "hs512" })
      .sign(alg === "RS256" ? privateKey : Buffer.from(hmacSecret));

  const tokens = async (user: User, client: KeycloakClient, nonce?: string): Promise<Reply> => {
    const iat = Math.floor(Date.now() / 1000);
    const common = { exp: iat + LIFETIME_SECONDS, iat, jti: randomUUID(), iss: base(), sub: user.sub };
    const profile = { sid: randomUUID(), preferred_username: user.name, email_verified: false };
    const claims = {
      ...common,
      aud: "account",
      typ: "Bearer",
      azp: client.id,
      scope: "openid profile email",
      ...profile,
    };
    const accessToken = await sign(double.mapClaims?.(claims) ?? claims, client.accessTokenAlgorithm);
    const idToken = await sign({
      ...common,
      aud: client.id,
      typ: "ID",
      azp: client.id,
      ...profile,
      ...(nonce && { nonce }),
    });
    double.given.push(accessToken, idToken);
    return json(200, {
      access_token: accessToken,
      expires_in: LIFETIME_SECONDS,
      refresh_expires_in: 1800,
      token_type: "Bearer",
      id_token: idToken,
      "not-before-policy": 0,
      scope: "openid profile email",
    });
  };

  const clientOf = (request: IncomingMessage, form: URLSearchParams): KeycloakClient | Reply => {
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const [basicId, basicSecret] =
      basic === undefined ? [] : Buffer.from(basic, "base64").toString().split(":");
    const id = basicId === undefined ? form.get("client_id") : decodeURIComponent(basicId);
    const secret = basicSecret === undefined ? form.get("client_secret") : decodeURIComponent(basicSecret);
    const client = clients.find((one) => one.id === id);
    const wrong = "Invalid client or Invalid client credentials";
    if (client === undefined) return oauthError(401, "invalid_client", wrong);
    if (client.secret !== undefined && client.secret !== secret) {
      return oauthError(401, "unauthorized_client", wrong);
    }
    return client;
  };

  const passwordGrant = async (client: KeycloakClient, form: URLSearchParams): Promise<Reply> => {
    if (client.directAccessGrants === false) {
      return oauthError(400, "unauthorized_client", "Client not allowed for direct access grants");
    }
    double.passwordsTried += 1;
    const user = users.find(({ name }) => name === form.get("username")?.toLowerCase());
    if (user === undefined || user.password !== form.get("password") || user.otp === true) {
      return oauthError(401, "invalid_grant", "Invalid user credentials");
    }
    if (user.enabled === false) return oauthError(400, "invalid_grant", "Account disabled");
    if (user.mustChangePassword === true) {
      return oauthError(400, "invalid_grant", "Account is not fully set up");
    }
    return tokens(user, client);
  };

  const codeGrant = async (client: KeycloakClient, form: URLSearchParams): Promise<Reply> => {
    const found = signOn.redeem(client, form);
    const user = users.find(({ name }) => name === found?.user.name);
    if (user === undefined) return oauthError(400, "invalid_grant", "Code not valid");
    return tokens(user, client, found?.nonce);
  };

  const token = async (request: IncomingMessage, form: URLSearchParams): Promise<Reply> => {
    const { canned } = double;
    if (canned !== undefined) {
      return {
        status: canned.status,
        headers: { "content-type": canned.type ?? "application/json" },
        body: canned.body,
      };
    }
    const client = clientOf(request, form);
    if ("status" in client) return client;
    if (form.get("grant_type") === "password") return passwordGrant(client, form);
    if (form.get("grant_type") === "authorization_code") return codeGrant(client, form);
    return oauthError(400, "unsupported_grant_type", "Unsupported grant_type");
  };

  const userInfo = async (request: IncomingMessage): Promise<Reply> => {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const verified = await jwtVerify(bearer, publicKey).catch(() => undefined);
    if (verified === undefined) return oauthError(401, "invalid_token", "Token verification failed");
    const { sub, preferred_username } = verified.payload;
    return json(200, { sub, preferred_username, email_verified: false });
  };

  const discovery = (): Reply =>
    json(200, {
      issuer: base(),
      authorization_endpoint: `${base()}/protocol/openid-connect/auth`,
      token_endpoint: `${base()}/protocol/openid-connect/token`,
      userinfo_endpoint: `${base()}/protocol/openid-connect/userinfo`,
      jwks_uri: `${base()}/protocol/openid-connect/certs`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
      code_challenge_methods_supported: ["S256"],
    });

  const route = async (request: IncomingMessage): Promise<Reply> => {
    const url = new URL(request.url ?? "/", double.url);
    const prefix = `/realms/${realm}`;
    const path = url.pathname.startsWith(`${prefix}/`) ? url.pathname.slice(prefix.length) : undefined;
    if (path === undefined) {
      return url.pathname.startsWith("/realms/")
        ? json(404, {
            error: "Realm does not exist",
            error_description: "For more on this error consult the server log.",
          })
        : json(404, { error: "HTTP 404 Not Found" });
    }
    const form = new URLSearchParams(await bodyOf(request));
    switch (`${request.method} ${path}`) {
      case "POST /protocol/openid-connect/token":
        return token(request, form);
      case "GET /protocol/openid-connect/auth":
        return signOn.authorize(url.searchParams);
      case "POST /login-actions/authenticate":
        return signOn.authenticate(request, url.searchParams, form);
      case "GET /login-actions/required-action":
        return signOn.requiredAction(url.searchParams);
      case "GET /protocol/openid-connect/userinfo":
        return userInfo(request);
      case "GET /protocol/openid-connect/certs":
        return json(200, { keys: [{ ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" }] });
      case "GET /.well-known/openid-configuration":
        return discovery();
      default:
        return json(404, { error: "HTTP 404 Not Found" });
    }
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { status, headers, body } = await route(request);
    response.writeHead(status, headers).end(body);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500).end();
      t.fail("the double of Keycloak failed", { error });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const url = `http://127.0.0.1:${address.port}`;
  const double: Keycloak = {
    url,
    realm,
    issuer: `${url}/realms/${realm}`,
    publicKey: await exportSPKI(publicKey),
    hmacSecret,
    mapClaims: undefined,
    canned: undefined,
    given: [],
    passwordsTried: 0,
    close: async () => {
      server.closeAllConnections();
      if (server.listening) await new Promise((closed) => server.close(closed));
    },
  };
  t.teardown(() => double.close());
  return double;
};

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
};
