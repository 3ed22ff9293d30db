// SPDX-License-Identifier: Apache-2.0
// Derives the keys of the checksums in statuses from the bearer tokens with which the webhook reads agents: both sides have
// them already.
import { hkdfSync } from "node:crypto";
import type { FastifyBaseLogger } from "fastify";
import { type ChecksumKey, type KeyedChecksums, keyedChecksums } from "../hooks/checksum.ts";
import { type RereadFile, rereadFiles } from "./config/reread-file.ts";
import { parseTokens } from "./config/token-file.ts";

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
const OPEN: ChecksumKey = checksumKeyOf("");

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
    const [first = OPEN, ...rest] = files.flatMap((file) => file.get());
    return keyedChecksums([first, ...rest], now() - changedAt >= RENEW_AFTER_MS);
  };
};
