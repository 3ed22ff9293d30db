// SPDX-License-Identifier: Apache-2.0
// Checksums for places that people may see who may not see values: under a key of the installation, for a plain checksum
// of a short value is as good as the value to whoever can guess.
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** A key of checksums: `id` is shown beside each checksum, `secret` never. */
export interface ChecksumKey {
  /** 8 hex digits. */
  readonly id: string;
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

const keyed = (plain: string, { id, secret }: ChecksumKey): string =>
  `hmac-sha256:${id}:${bytesToHex(hmac(sha256, secret, Buffer.from(plain)))}`;

/**
 * Checksums under the first of `keys`; those under the others can be compared. With `renews`, what was made under another
 * than the first counts as outdated: to be said only when everybody who compares has had the time to learn the first.
 */
export const keyedChecksums = (
  keys: readonly [ChecksumKey, ...ChecksumKey[]],
  renews: boolean,
): KeyedChecksums => {
  const [first] = keys;
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
