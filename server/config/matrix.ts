// SPDX-License-Identifier: Apache-2.0
// Parses the homeserver and log-in variables that `bot` and `conntest` share.
import { checkCa } from "./listener.ts";
import { isLoopback } from "./loopback.ts";
import { readSecret, type Secret } from "./secret.ts";
import { choice, file, pattern, text, type ValuesOf } from "./variable-table.ts";
import {
  type ConfigResult,
  deepFreeze,
  type Environment,
  readVariables,
  type VariableReader,
} from "./variables.ts";

export const AUTH_METHODS = ["password", "jwt", "sso", "token"] as const;

export const JWT_LOGIN_TYPES = [
  "com.famedly.login.token.oauth",
  "com.famedly.login.token",
  "org.matrix.login.jwt",
] as const;
type JwtLoginType = (typeof JWT_LOGIN_TYPES)[number];

/** Where Keycloak is and which of its clients asks for tokens. */
export type KeycloakConfig = {
  /** Without a slash at its end; may have a path. */
  url: string;
  realm: string;
  clientId: string;
  /** Absent for a public client. */
  clientSecret?: Secret;
};

/** `user` is a full Matrix id or its localpart; with jwt and sso, its localpart is the name at the provider. */
export type MatrixAuth =
  | { method: "password"; user: string; password: Secret }
  | {
      method: "jwt";
      user: string;
      password: Secret;
      loginType: JwtLoginType;
      keycloak: KeycloakConfig;
    }
  | { method: "sso"; user: string; password: Secret; idpId: string }
  | { method: "token"; accessToken: Secret; user?: string };

export type MatrixConfig = {
  /** `http(s)://host[:port][/path]`, without a slash at its end. */
  homeserver: string;
  /** Trusted beside nothing else, for the homeserver and for Keycloak; without it the system's CAs are. */
  caFile?: string;
  auth: MatrixAuth;
  /** Sentences for the log at the start: what is accepted and yet unwise. */
  warnings: string[];
};

/** The name of a user before the colon of a full id; a localpart is itself. */
export const localpartOf = (user: string): string =>
  user.startsWith("@") ? user.slice(1, user.indexOf(":")) : user;

/** https://spec.matrix.org/latest/appendices/#user-identifiers, historical ones included. */
const USER_NAME = { pattern: "^(@[!-9;-~]+:[^\\s]+|[!-9;-?A-~][!-9;-~]*)$", maxLength: 255 };
/** One segment of a path. */
const SEGMENT = { pattern: "^[^\\s/?#%]+$", maxLength: 255 };
const CLIENT_ID = { pattern: "^[!-~]+$", maxLength: 255 };

/** The variables that `bot` and `conntest` share. Those of a log-in method are looked at under that method alone. */
export const MATRIX_VARIABLES = {
  MATRIX_HOMESERVER: text({
    default: "http://synapse.matrix.svc.cluster.local:8008",
    description: "address of the homeserver",
  }),
  MATRIX_USER: pattern(USER_NAME, "a Matrix id such as @bot:example.org or its localpart", {
    description: "the bot's full user id or its local part; required, but for `AUTH_METHOD=token`",
  }),
  MATRIX_PASSWORD: text({
    secret: true,
    description:
      "the bot's password, at Keycloak for jwt and sso; this or `MATRIX_PASSWORD_FILE` is required, but for `AUTH_METHOD=token`",
  }),
  MATRIX_PASSWORD_FILE: file({ description: "file with the password, in one line" }),
  MATRIX_ACCESS_TOKEN: text({
    secret: true,
    description: "access token; this or `MATRIX_ACCESS_TOKEN_FILE` is required for `AUTH_METHOD=token`",
  }),
  MATRIX_ACCESS_TOKEN_FILE: file({ description: "file with the access token, in one line" }),
  MATRIX_CA_FILE: file({
    description: "PEM certificates that sign those of the homeserver and of Keycloak; unset: the system's",
  }),
  AUTH_METHOD: choice(AUTH_METHODS, {
    default: "password",
    description:
      "how to log in: `password`, `jwt` (a token of Keycloak's), `sso` (through the homeserver's provider), or `token`",
  }),
  KEYCLOAK_URL: text({ description: "address of Keycloak; this and the next two are required for jwt" }),
  KEYCLOAK_REALM: pattern(SEGMENT, "the name of a realm", { description: "name of the realm" }),
  KEYCLOAK_CLIENT_ID: pattern(CLIENT_ID, "the id of a client", {
    description: "id of the client, which needs direct access grants",
  }),
  KEYCLOAK_CLIENT_SECRET: text({
    secret: true,
    description: "secret of a confidential client; unset for a public one",
  }),
  KEYCLOAK_CLIENT_SECRET_FILE: file({ description: "file with the secret, in one line" }),
  JWT_LOGIN_TYPE: choice(JWT_LOGIN_TYPES, {
    default: "com.famedly.login.token.oauth",
    description: "log-in type of jwt: this, `com.famedly.login.token` or `org.matrix.login.jwt`",
  }),
  SSO_IDP_ID: pattern(SEGMENT, "the idp_id of a provider of Synapse", {
    default: "keycloak",
    description: "`idp_id` of the provider for sso, in the homeserver's configuration",
  }),
};
type MatrixReader = VariableReader<ValuesOf<typeof MATRIX_VARIABLES>>;

/** The Matrix part of a configuration; undefined when a fault was reported. */
export const readMatrix = (reader: MatrixReader): MatrixConfig | undefined => {
  const homeserver = readUrl(reader, "MATRIX_HOMESERVER");
  const caFile = reader.value("MATRIX_CA_FILE");
  checkCa(reader, "MATRIX_CA_FILE", caFile);
  const auth = readAuth(reader);
  if (homeserver === undefined || auth === undefined || reader.faults.length > 0) return undefined;
  const keycloakUrl = auth.method === "jwt" ? auth.keycloak.url : undefined;
  return {
    homeserver,
    ...(caFile !== undefined && { caFile }),
    auth,
    warnings: [
      ...exposed("MATRIX_HOMESERVER", homeserver),
      ...(keycloakUrl === undefined ? [] : exposed("KEYCLOAK_URL", keycloakUrl)),
    ],
  };
};

/** The Matrix variables alone, as `conntest` has them: frozen, or every fault of them. */
export const parseMatrixConfig = (env: Environment): ConfigResult<MatrixConfig> => {
  const reader = readVariables(env, MATRIX_VARIABLES);
  const config = readMatrix(reader);
  if (config === undefined || reader.faults.length > 0) return { ok: false, faults: reader.faults };
  return { ok: true, config: deepFreeze(config) };
};

const readAuth = (reader: MatrixReader): MatrixAuth | undefined => {
  const method = reader.value("AUTH_METHOD");
  const user = reader.value("MATRIX_USER");
  // Of a method that can't be read, what most of them need is asked for as well: all faults are told at once.
  const hasToken = ["MATRIX_ACCESS_TOKEN", "MATRIX_ACCESS_TOKEN_FILE"] as const;
  if (method === undefined && hasToken.some((name) => reader.isSet(name))) return undefined;
  if (method === "token") {
    const accessToken = requiredSecret(reader, "MATRIX_ACCESS_TOKEN");
    return accessToken && { method, accessToken, ...(user !== undefined && { user }) };
  }
  const name = reader.required("MATRIX_USER");
  const password = requiredSecret(reader, "MATRIX_PASSWORD");
  const own = method && readOwn(reader, method);
  if (own === undefined || name === undefined || password === undefined) return undefined;
  return { ...own, user: name, password };
};

/** What a login method needs beside a user and a password; undefined where something of it is missing. */
const readOwn = (reader: MatrixReader, method: "password" | "jwt" | "sso") => {
  if (method === "password") return { method };
  if (method === "sso") {
    const idpId = reader.value("SSO_IDP_ID");
    return idpId === undefined ? undefined : { method, idpId };
  }
  const keycloak = readKeycloak(reader);
  const loginType = reader.value("JWT_LOGIN_TYPE");
  return keycloak && loginType && { method, keycloak, loginType };
};

const readKeycloak = (reader: MatrixReader): KeycloakConfig | undefined => {
  const url = reader.required("KEYCLOAK_URL") && readUrl(reader, "KEYCLOAK_URL");
  const realm = reader.required("KEYCLOAK_REALM");
  const clientId = reader.required("KEYCLOAK_CLIENT_ID");
  const clientSecret = readSecret(reader, "KEYCLOAK_CLIENT_SECRET");
  if (url === undefined || realm === undefined || clientId === undefined) return undefined;
  return { url, realm, clientId, ...(clientSecret && { clientSecret }) };
};

const requiredSecret = (
  reader: MatrixReader,
  name: "MATRIX_PASSWORD" | "MATRIX_ACCESS_TOKEN",
): Secret | undefined => {
  const secret = readSecret(reader, name);
  const isUnset = !reader.isSet(name) && !reader.isSet(`${name}_FILE`);
  if (isUnset) reader.fault(name, `or ${name}_FILE is required`);
  return secret;
};

/** An address without credentials, query and fragment. The fault never cites it: it could hold a password. */
const readUrl = (reader: MatrixReader, name: "MATRIX_HOMESERVER" | "KEYCLOAK_URL"): string | undefined => {
  const value = reader.value(name);
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  const bad = (message: string): undefined => {
    reader.fault(name, message);
    return undefined;
  };
  if (url === null || !/^https?:$/.test(url.protocol)) return bad("must be an https:// or http:// address");
  if (url.username !== "" || url.password !== "") return bad("must not hold credentials");
  if (url.search !== "" || url.hash !== "") return bad("must have no query and no fragment");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
};

/** Names that only a cluster's own DNS answers: one label, or below `svc` or `cluster.local`. */
const isClusterLocal = (host: string): boolean =>
  /^[a-z0-9-]+$/i.test(host) || /\.svc$/i.test(host) || /\.cluster\.local$/i.test(host);

/** The warning about credentials that cross a network in the clear; none inside a cluster or on this machine. */
const exposed = (name: keyof typeof MATRIX_VARIABLES, address: string): string[] => {
  const { protocol, hostname } = new URL(address);
  if (protocol === "https:" || isLoopback(hostname) || isClusterLocal(hostname)) return [];
  return [`${name} is http:// to a host beyond the cluster: credentials cross the network unencrypted.`];
};
