// SPDX-License-Identifier: Apache-2.0
// The configuration that every listener shares: log level, address, TLS files, and the rule that a listener beyond
// loopback is encrypted and authenticated.
import { existsSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { Type } from "@sinclair/typebox";
import { holdsCertificates } from "./ca-certificates.ts";
import { isLoopback } from "./loopback.ts";
import { parseTokens } from "./token-file.ts";
import { readChecked, type VariableReader } from "./variables.ts";

/** pino's levels, and `silent`. */
const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** PEM files of a listener. With `clientCaFile`, callers need a certificate that this CA signed. */
export type TlsFiles = { certFile: string; keyFile: string; clientCaFile?: string };

export type ListenerConfig = {
  logLevel: LogLevel;
  listenHost: string;
  /** 0 lets the system choose a free port. */
  listenPort: number;
  tls?: TlsFiles;
};

/** The variables of every listener and their defaults, but for LISTEN_PORT's. */
export const LISTENER_VARIABLES = {
  LOG_LEVEL: "info",
  LISTEN_HOST: "127.0.0.1",
  TLS_CERT_FILE: null,
  TLS_KEY_FILE: null,
  TLS_CLIENT_CA_FILE: null,
} as const;
export type ListenerVariable = keyof typeof LISTENER_VARIABLES | "LISTEN_PORT";

/** A host name or an address, as LISTEN_HOST takes it. */
const Host = Type.String({ pattern: "^[A-Za-z0-9:._-]+$", maxLength: 253 });

/** Reads the shared variables. What is missing because of a fault is in the reader's faults. */
export const readListener = (reader: VariableReader<ListenerVariable>): ListenerConfig => {
  const tls = readTls(reader);
  return {
    logLevel: reader.oneOf("LOG_LEVEL", LOG_LEVELS) ?? "info",
    listenHost: reader.text("LISTEN_HOST", Host, "a host name or an IP address") ?? "127.0.0.1",
    listenPort: reader.integer("LISTEN_PORT", 0, 65_535) ?? 0,
    ...(tls && { tls }),
  };
};

const readTls = (reader: VariableReader<ListenerVariable>): TlsFiles | undefined => {
  const certFile = reader.file("TLS_CERT_FILE");
  const keyFile = reader.file("TLS_KEY_FILE");
  const clientCaFile = reader.file("TLS_CLIENT_CA_FILE");
  const has = (name: ListenerVariable) => reader.raw(name) !== undefined;
  if (has("TLS_CERT_FILE") && !has("TLS_KEY_FILE"))
    reader.fault("TLS_KEY_FILE", "is required beside TLS_CERT_FILE");
  if (has("TLS_KEY_FILE") && !has("TLS_CERT_FILE"))
    reader.fault("TLS_CERT_FILE", "is required beside TLS_KEY_FILE");
  if (has("TLS_CLIENT_CA_FILE") && !has("TLS_CERT_FILE") && !has("TLS_KEY_FILE"))
    reader.fault("TLS_CLIENT_CA_FILE", "needs TLS_CERT_FILE and TLS_KEY_FILE");
  if (certFile === undefined || keyFile === undefined) return undefined;
  const cert = readChecked(certFile);
  const key = readChecked(keyFile);
  if (!cert.ok) reader.fault("TLS_CERT_FILE", `${certFile} ${cert.message}`);
  if (!key.ok) reader.fault("TLS_KEY_FILE", `${keyFile} ${key.message}`);
  if (cert.ok && key.ok && !isUsable({ cert: cert.bytes, key: key.bytes }))
    reader.fault("TLS_CERT_FILE", `${certFile} is not a PEM certificate that fits the key in ${keyFile}`);
  checkCa(reader, "TLS_CLIENT_CA_FILE", clientCaFile);
  return { certFile, keyFile, ...(clientCaFile !== undefined && { clientCaFile }) };
};

const isUsable = (material: { cert?: Buffer; key?: Buffer; ca?: Buffer }): boolean => {
  try {
    createSecureContext(material);
    return true;
  } catch {
    return false;
  }
};

/** Reports a CA file that holds no certificate. */
export const checkCa = <Name extends string>(
  reader: VariableReader<Name>,
  name: Name,
  path: string | undefined,
): void => {
  if (path === undefined) return;
  const ca = readChecked(path);
  if (!ca.ok) reader.fault(name, `${path} ${ca.message}`);
  else if (!holdsCertificates(ca.bytes) || !isUsable({ ca: ca.bytes }))
    reader.fault(name, `${path} holds no PEM certificate`);
};

/** The path of a token file whose content has been checked once. */
export const readTokenPath = <Name extends string>(
  reader: VariableReader<Name>,
  name: Name,
): string | undefined => {
  const path = reader.file(name);
  if (path === undefined) return undefined;
  const file = readChecked(path);
  const tokens = file.ok ? parseTokens(file.bytes) : file;
  if (tokens.ok) return path;
  reader.fault(name, `${path} ${tokens.message}`);
  return undefined;
};

/**
 * The same where the file may be left out, as a key of a Secret that is optional in a pod: undefined while there is none.
 * Once it is there the process has to be started anew.
 */
export const readOptionalTokenPath = <Name extends string>(
  reader: VariableReader<Name>,
  name: Name,
): string | undefined => {
  const path = reader.raw(name);
  return path === undefined || existsSync(path) ? readTokenPath(reader, name) : undefined;
};

/** Refuses a listener beyond loopback that lacks TLS, or both of a token file and a client CA. */
export const checkExposure = (
  reader: VariableReader<ListenerVariable>,
  { listenHost }: ListenerConfig,
  tokenVariables: readonly string[],
  hasToken: boolean,
): void => {
  if (isLoopback(listenHost)) return;
  const missing = [
    ...(["TLS_CERT_FILE", "TLS_KEY_FILE"] as const).filter((name) => reader.raw(name) === undefined),
    ...(hasToken || reader.raw("TLS_CLIENT_CA_FILE") !== undefined
      ? []
      : [[...tokenVariables, "TLS_CLIENT_CA_FILE"].join(" or ")]),
  ];
  if (missing.length > 0)
    reader.fault(
      "LISTEN_HOST",
      `${listenHost} is beyond loopback, which needs ${missing.join(" and ")} to be set`,
    );
};
