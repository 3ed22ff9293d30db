// SPDX-License-Identifier: Apache-2.0
// Computes the checksums by which contents are compared: of a secret's data, and keyed ones for statuses and annotations.
import { hash } from "node:crypto";
import { fromBase64Map } from "./formats.ts";
import type { StringMap } from "./kubernetes.ts";

/** Gives what `make` makes; it is called at the first call, and not again. `make` is pure: nobody can tell when that was. */
export const once = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};

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
