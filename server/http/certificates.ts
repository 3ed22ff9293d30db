// SPDX-License-Identifier: Apache-2.0
// Reloads a listener's certificate, key and client CA when their files change.
import type { Server } from "node:https";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { FastifyBaseLogger } from "fastify";
import { holdsCertificates } from "../config/ca-certificates.ts";
import type { TlsFiles } from "../config/listener.ts";
import { type Parsed, type RereadFile, rereadFiles } from "../config/reread-file.ts";

/** How often the files are looked at. */
const CHECK_EVERY_MS = 1000;

const usable = (context: SecureContextOptions & { ca?: Buffer }): Parsed<SecureContextOptions> => {
  try {
    createSecureContext(context);
    if (context.ca !== undefined && !holdsCertificates(context.ca)) {
      return {
        ok: false,
        message: "do not fit together: the last of them does not hold whole PEM certificates",
      };
    }
    return { ok: true, value: context };
  } catch {
    return { ok: false, message: "do not fit together" };
  }
};

/**
 * The TLS material of a listener, re-read on change.
 * @throws UnusableFile when the files can't be used at the start.
 */
export const certificateSource = (
  files: TlsFiles,
  logger: FastifyBaseLogger,
  onChange: (material: SecureContextOptions) => void,
): RereadFile<SecureContextOptions> => {
  const common = {
    onFault: (message: string) => logger.error(message),
    onChange: (material: SecureContextOptions) => {
      logger.info({ file: files.certFile }, "certificate read again");
      onChange(material);
    },
    checkEveryMs: 0,
  };
  const { certFile, keyFile, clientCaFile } = files;
  return clientCaFile === undefined
    ? rereadFiles({ ...common, paths: [certFile, keyFile], parse: (cert, key) => usable({ cert, key }) })
    : rereadFiles({
        ...common,
        paths: [certFile, keyFile, clientCaFile],
        parse: (cert, key, ca) => usable({ cert, key, ca }),
      });
};

/** Keeps the servers' certificates up to date until the answer is called. */
export const followCertificates = (
  files: TlsFiles,
  servers: ReadonlySet<Server>,
  logger: FastifyBaseLogger,
  /** Called when another client CA is in force: who came in by the former one must show a certificate again. */
  onNewCa: () => void,
): (() => void) => {
  let ca: SecureContextOptions["ca"];
  const source = certificateSource(files, logger, (material) => {
    for (const server of servers) server.setSecureContext(material);
    const same = String(ca) === String(material.ca);
    ca = material.ca;
    if (!same) onNewCa();
  });
  ({ ca } = source.get());
  const timer = setInterval(() => source.get(), CHECK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
};
