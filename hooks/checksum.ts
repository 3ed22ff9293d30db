// SPDX-License-Identifier: Apache-2.0
// The framed checksum of a secret: the one measure by which a token's content and a Secret's are compared.
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { StringMap } from "./kubernetes.ts";

/** Order two strings by their UTF-8 bytes. */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The length of `bytes` as an unsigned 64-bit big-endian number. */
const frame = (bytes: Uint8Array): Uint8Array => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(bytes.length));
  return length;
};

/**
 * `sha256:` and the hex of SHA-256 over the keys in byte order, each key and value preceded by its length as an
 * unsigned 64-bit big-endian number. The framing tells `{a: bc}` from `{ab: c}`.
 */
export const checksum = (keys: Iterable<readonly [string, Uint8Array]>): string => {
  const hash = sha256.create();
  for (const [key, value] of [...keys].sort(([a], [b]) => byBytes(a, b))) {
    const name = Buffer.from(key);
    hash.update(frame(name)).update(name).update(frame(value)).update(value);
  }
  return `sha256:${bytesToHex(hash.digest())}`;
};

/** The checksum of a Secret's `data`, whose values are base64. */
export const checksumOfBase64 = (data: StringMap): string =>
  checksum(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64")] as const));
