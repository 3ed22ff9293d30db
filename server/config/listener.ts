// SPDX-License-Identifier: Apache-2.0
// Parses the configuration that every listener shares: log level, address, TLS files, and the rule that a listener beyond
// loopback is encrypted and authenticated.
import { existsSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { holdsCertificates } from "./ca-certificates.ts";
import { isLoopback } from "./loopback.ts";
import { parseTokens } from "./token-file.ts";
import { choice, file, integer, pattern, type ValuesOf, type Variable } from "./variable-table.ts";
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

const HOST = { pattern: "^[A-Za-z0-9:._-]+$", maxLength: 253 };

/** LISTEN_HOST. `purpose` ends what the documentation says of it. */
export const listenHost = (purpose = ""): Variable<string> =>
  pattern(HOST, "a host name or an IP address", {
    default: "127.0.0.1",
    description: `address or host name to listen on${purpose}`,
  });

export const listenPort = (port: number): Variable<number> =>
  integer(0, 65_535, { default: port, description: "port to listen on; 0 lets the system choose" });

export const LOG_VARIABLES = {
  LOG_LEVEL: choice(LOG_LEVELS, {
    default: "info",
    description: "`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`",
  }),
};

export const TLS_VARIABLES = {
  TLS_CERT_FILE: file({ description: "PEM certificate chain of the listener" }),
  TLS_KEY_FILE: file({ description: "PEM key of the certificate" }),
  TLS_CLIENT_CA_FILE: file({
    description: "PEM certificates that sign callers' client certificates; callers then need one",
  }),
};

/** The variables of a listener that has this port unless it is told another. */
export const listenerVariables = (port: number) => ({
  ...LOG_VARIABLES,
  LISTEN_HOST: listenHost(),
  LISTEN_PORT: listenPort(port),
  ...TLS_VARIABLES,
});
export type ListenerValues = ValuesOf<ReturnType<typeof listenerVariables>>;

/** Reads the shared variables. What is missing because of a fault is in the reader's faults. */
export const readListener = (reader: VariableReader<ListenerValues>): ListenerConfig => {
  const tls = readTls(reader);
  return {
    logLevel: reader.value("LOG_LEVEL") ?? "info",
    listenHost: reader.value("LISTEN_HOST") ?? "127.0.0.1",
    listenPort: reader.value("LISTEN_PORT") ?? 0,
    ...(tls && { tls }),
  };
};

const readTls = (reader: VariableReader<ListenerValues>): TlsFiles | undefined => {
  const certFile = reader.value("TLS_CERT_FILE");
  const keyFile = reader.value("TLS_KEY_FILE");
  const clientCaFile = reader.value("TLS_CLIENT_CA_FILE");
  const has = (name: keyof ListenerValues) => reader.isSet(name);
  if (has("TLS_CERT_FILE") && !has("TLS_KEY_FILE")) {
    reader.fault("TLS_KEY_FILE", "is required beside TLS_CERT_FILE");
  }
  if (has("TLS_KEY_FILE") && !has("TLS_CERT_FILE")) {
    reader.fault("TLS_CERT_FILE", "is required beside TLS_KEY_FILE");
  }
  if (has("TLS_CLIENT_CA_FILE") && !has("TLS_CERT_FILE") && !has("TLS_KEY_FILE")) {
    reader.fault("TLS_CLIENT_CA_FILE", "needs TLS_CERT_FILE and TLS_KEY_FILE");
  }
  if (certFile === undefined || keyFile === undefined) return undefined;
  const cert = readChecked(certFile);
  const key = readChecked(keyFile);
  if (!cert.ok) reader.fault("TLS_CERT_FILE", `${certFile} ${cert.message}`);
  if (!key.ok) reader.fault("TLS_KEY_FILE", `${keyFile} ${key.message}`);
  if (cert.ok && key.ok && !isUsable({ cert: cert.bytes, key: key.bytes })) {
    reader.fault("TLS_CERT_FILE", `${certFile} is not a PEM certificate that fits the key in ${keyFile}`);
  }
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
  reader: VariableReader<Record<NoInfer<Name>, string>>,
  name: Name,
  path: string | undefined,
): void => {
  if (path === undefined) return;
  const ca = readChecked(path);
  if (!ca.ok) reader.fault(name, `${path} ${ca.message}`);
  else if (!holdsCertificates(ca.bytes) || !isUsable({ ca: ca.bytes })) {
    reader.fault(name, `${path} holds no PEM certificate`);
  }
};

/** The path of a token file whose content has been checked once. */
export const readTokenPath = <Name extends string>(
  reader: VariableReader<Record<NoInfer<Name>, string>>,
  name: Name,
): string | undefined => {
  const path = reader.value(name);
  if (path === undefined) return undefined;
  const content = readChecked(path);
  const tokens = content.ok ? parseTokens(content.bytes) : content;
  if (tokens.ok) return path;
  reader.fault(name, `${path} ${tokens.message}`);
  return undefined;
};

/**
 * The same where the file may be left out, as a key of a Secret that is optional in a pod: undefined while there is none.
 * Once it is there the process has to be started anew.
 */
export const readOptionalTokenPath = <Name extends string>(
  reader: VariableReader<Record<NoInfer<Name>, string>>,
  name: Name,
): string | undefined => {
  const path = reader.raw(name);
  return path === undefined || existsSync(path) ? readTokenPath(reader, name) : undefined;
};

/** Refuses a listener beyond loopback that lacks TLS, or both of a token file and a client CA. */
export const checkExposure = (
  reader: VariableReader<ListenerValues>,
  { listenHost }: ListenerConfig,
  tokenVariables: readonly string[],
  hasToken: boolean,
): void => {
  if (isLoopback(listenHost)) return;
  const missing = [
    ...(["TLS_CERT_FILE", "TLS_KEY_FILE"] as const).filter((name) => !reader.isSet(name)),
    ...(hasToken || reader.isSet("TLS_CLIENT_CA_FILE")
      ? []
      : [[...tokenVariables, "TLS_CLIENT_CA_FILE"].join(" or ")]),
  ];
  if (missing.length > 0) {
    reader.fault(
      "LISTEN_HOST",
      `${listenHost} is beyond loopback, which needs ${missing.join(" and ")} to be set`,
    );
  }
};
