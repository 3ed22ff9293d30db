// SPDX-License-Identifier: Apache-2.0
// Computes the checksum of a secret's data, by which the content of a token and of a Secret are compared.
import { hash } from "node:crypto";
import { fromBase64Map } from "./formats.ts";
import type { StringMap } from "./kubernetes.ts";
import { once } from "./once.ts";

/** Writes the length of what follows as an unsigned 64-bit big-endian number, then what follows. */
const writeFramed = (framed: Buffer, at: number, bytes: Uint8Array): number => {
  framed.writeUInt32BE(Math.floor(bytes.length / 2 ** 32), at);
  framed.writeUInt32BE(bytes.length >>> 0, at + 4);
  framed.set(bytes, at + 8);
  return at + 8 + bytes.length;
};

/**
 * `sha256:` and the hex of SHA-256 over the keys in byte order, each key and value preceded by its length as an
 * unsigned 64-bit big-endian number. The framing tells `{a: bc}` from `{ab: c}`.
 */
export const checksum = (keys: Iterable<readonly [string, Uint8Array]>): string => {
  const named = Array.from(keys, ([key, value]) => [Buffer.from(key), value] as const);
  const framed = Buffer.alloc(named.reduce((sum, [name, value]) => sum + 16 + name.length + value.length, 0));
  let at = 0;
  for (const [name, value] of named.sort(([a], [b]) => Buffer.compare(a, b))) {
    at = writeFramed(framed, writeFramed(framed, at, name), value);
  }
  return `sha256:${hash("sha256", framed)}`;
};

/** The checksum of a Secret's `data`, whose values are base64. */
export const checksumOfBase64 = (data: StringMap): string => checksum(fromBase64Map(data));

/** What a Secret, or a path of a token, holds: base64 values, and their checksum. */
export interface ChecksummedData {
  readonly data: StringMap;
  readonly checksum: string;
}

/** `data` with their checksum, which is made once, and only if somebody asks for it. */
export const checksummed = (data: StringMap): ChecksummedData => {
  const made = once(() => checksumOfBase64(data));
  return {
    data,
    get checksum() {
      return made();
    },
  };
};
