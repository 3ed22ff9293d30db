// SPDX-License-Identifier: Apache-2.0
// Computes HMAC checksums for statuses and annotations: whoever reads a plain checksum of a short value can guess the value.
import { hash } from "node:crypto";

/** A key of checksums: `id` is shown beside each checksum, `secret` never. */
export interface ChecksumKey {
  /** 8 hex digits. */
  readonly id: string;
  /** 64 bytes at most. */
  readonly secret: Uint8Array;
}

/** Makes and compares `hmac-sha256:<key id>:<hex>` of checksums that checksum.ts made, which are called plain here. */
export interface KeyedChecksums {
  /** The text to show for `plain`. */
  of(plain: string): string;
  /** Whether `shown` stands for `plain`, under any key that is known. Earlier versions showed the plain one itself. */
  fits(shown: string | undefined, plain: string): boolean;
  /** The text to show for `plain` where `shown` is there already: the same, unless it says something else or is outdated. */
  kept(shown: string | undefined, plain: string): string;
  /** Whether `shown` can be compared; what was made under a key that has gone can't be. */
  knows(shown: string): boolean;
  /** Whether `shown` was made under an earlier key and shall be made anew. */
  isOutdated(shown: string): boolean;
}

const KEYED = /^hmac-sha256:([0-9a-f]{8}):[0-9a-f]{64}$/;

/** The id of the key that `shown` was made under; undefined for a plain checksum. */
const keyIdOf = (shown: string): string | undefined => KEYED.exec(shown)?.[1];

/** Whether a checksum is as earlier versions showed it. */
export const isPlain = (shown: string): boolean => keyIdOf(shown) === undefined;

const BLOCK_BYTES = 64;

/** The bytes of a key of at most one block, each combined with `byte`. */
const padded = (key: Uint8Array, byte: number): Buffer => {
  const block = Buffer.alloc(BLOCK_BYTES, byte);
  for (const [i, one] of key.entries()) block[i] = one ^ byte;
  return block;
};

/**
 * HMAC-SHA-256 (RFC 2104) in hex. Of two calls of hash(), because createHmac() of OpenSSL 3 costs ten times as much for a text
 * of this length, several times in each sync.
 */
const hmacOf = (key: Uint8Array, text: string): string => {
  const inner = hash("sha256", Buffer.concat([padded(key, 0x36), Buffer.from(text)]), "buffer");
  return hash("sha256", Buffer.concat([padded(key, 0x5c), inner]));
};

/**
 * Checksums under the first of `keys`; those under the others can be compared. With `renews`, what was made under another
 * than the first counts as outdated: to be said only when everybody who compares has had the time to learn the first.
 * It remembers what it has made, for a sync asks for the same several times: make one for each request.
 */
export const keyedChecksums = (
  keys: readonly [ChecksumKey, ...ChecksumKey[]],
  renews: boolean,
): KeyedChecksums => {
  const [first] = keys;
  const made = new Map<string, string>();
  const keyed = (plain: string, { id, secret }: ChecksumKey): string => {
    const asked = `${id} ${plain}`;
    const shown = made.get(asked) ?? `hmac-sha256:${id}:${hmacOf(secret, plain)}`;
    made.set(asked, shown);
    return shown;
  };
  const of = (plain: string): string => keyed(plain, first);
  const keyOf = (shown: string): ChecksumKey | undefined => {
    const wanted = keyIdOf(shown);
    return keys.find(({ id }) => id === wanted);
  };
  const fits = (shown: string | undefined, plain: string): boolean => {
    if (shown === undefined || shown === plain) return shown === plain;
    const key = keyOf(shown);
    return key !== undefined && shown === keyed(plain, key);
  };
  const isOutdated = (shown: string): boolean => renews && !isPlain(shown) && keyIdOf(shown) !== first.id;
  return {
    of,
    fits,
    kept: (shown, plain) =>
      shown !== undefined && fits(shown, plain) && !isOutdated(shown) ? shown : of(plain),
    knows: (shown) => isPlain(shown) || keyOf(shown) !== undefined,
    isOutdated,
  };
};
