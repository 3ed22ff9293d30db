// SPDX-License-Identifier: Apache-2.0
// Kept connections to one server, whose CA file and bearer token are read again when they change.
import type { Logger } from "pino";
import { Pool } from "undici";
import { type Parsed, type RereadFile, rereadFiles } from "../config/reread-file.ts";
import { parseTokens } from "../http/token-file.ts";

export type HttpPoolOptions = {
  /** `scheme://host:port`. */
  origin: string;
  /** Without it the system's CAs are trusted. */
  caFile?: string;
  /** The first token of the file is sent. */
  tokenFile?: string;
  connectTimeoutMs: number;
  /** Connections at once; further requests wait for one. */
  connections: number;
  maxResponseBytes: number;
  logger: Logger;
  /** Milliseconds, monotonic: paces the looks at the files. */
  now?: () => number;
};

export type HttpPool = {
  /** The pool to use for the next request; kept by nobody. */
  pool(): Pool;
  /** `Bearer …`, or undefined without a token file. */
  authorization(): string | undefined;
  close(): Promise<void>;
};

const certificates = (contents: Buffer): Parsed<Buffer> =>
  contents.includes("-----BEGIN CERTIFICATE-----")
    ? { ok: true, value: contents }
    : { ok: false, message: "holds no PEM certificate" };

/** @throws UnusableFile when a file can't be used at the start. */
export const openHttpPool = (options: HttpPoolOptions): HttpPool => {
  const { origin, caFile, tokenFile, logger } = options;
  const follow = <T>(
    path: string | undefined,
    parse: (contents: Buffer) => Parsed<T>,
  ): RereadFile<T> | undefined =>
    path === undefined
      ? undefined
      : rereadFiles({
          paths: [path],
          parse,
          ...(options.now && { now: options.now }),
          onFault: (message) => logger.error({ origin }, message),
          onChange: () => logger.info({ origin, file: path }, "file read again"),
        });
  const ca = follow(caFile, certificates);
  const token = follow(tokenFile, parseTokens);
  const open = (trusted: Buffer | undefined): Pool =>
    new Pool(origin, {
      connect: { timeout: options.connectTimeoutMs, ...(trusted && { ca: trusted }) },
      connections: options.connections,
      pipelining: 1,
      maxResponseSize: options.maxResponseBytes,
    });
  let trusted = ca?.get();
  let current = open(trusted);
  return {
    pool() {
      const now = ca?.get();
      if (now !== trusted) {
        trusted = now;
        // Requests under way end on the old connections, which then go.
        void current.close();
        current = open(trusted);
      }
      return current;
    },
    authorization() {
      const tokens = token?.get();
      return tokens && `Bearer ${tokens[0]}`;
    },
    close: () => current.destroy(),
  };
};
