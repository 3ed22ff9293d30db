// SPDX-License-Identifier: Apache-2.0
// The framed checksum of a secret: the one measure by which a token's content and a Secret's are compared.
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { StringMap } from "./kubernetes.ts";

/** The length of `bytes` as an unsigned 64-bit big-endian number. */
const frame = (bytes: Uint8Array): Uint8Array => {
  const length = Buffer.alloc(8);
  length.writeUInt32BE(Math.floor(bytes.length / 2 ** 32), 0);
  length.writeUInt32BE(bytes.length >>> 0, 4);
  return length;
};

/**
 * `sha256:` and the hex of SHA-256 over the keys in byte order, each key and value preceded by its length as an
 * unsigned 64-bit big-endian number. The framing tells `{a: bc}` from `{ab: c}`.
 */
export const checksum = (keys: Iterable<readonly [string, Uint8Array]>): string => {
  const hash = sha256.create();
  const named = Array.from(keys, ([key, value]) => [Buffer.from(key), value] as const);
  for (const [name, value] of named.sort(([a], [b]) => Buffer.compare(a, b))) {
    hash.update(frame(name)).update(name).update(frame(value)).update(value);
  }
  return `sha256:${bytesToHex(hash.digest())}`;
};

/** The checksum of a Secret's `data`, whose values are base64. */
export const checksumOfBase64 = (data: StringMap): string =>
  checksum(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64")] as const));
