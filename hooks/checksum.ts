// SPDX-License-Identifier: Apache-2.0
// Computes the checksums by which contents are compared: of a secret's data, and keyed ones for statuses and annotations.
import { hash } from "node:crypto";
import type { StringMap } from "./kubernetes.ts";

/** Gives what `make` makes; it is called at the first call, and not again. `make` is pure: nobody can tell when that was. */
export const once = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};

/** Writes `length` as an unsigned 64-bit big-endian number; answers where what follows begins. */
const writeLength = (framed: Buffer, at: number, length: number): number => {
  framed.writeUInt32BE(Math.floor(length / 2 ** 32), at);
  framed.writeUInt32BE(length >>> 0, at + 4);
  return at + 8;
};

/** How the values of a map are written. */
interface Encoding<V> {
  /** At least as many bytes as `write` writes. */
  roomFor(value: V): number;
  /** Answers how many bytes it wrote. */
  write(framed: Buffer, at: number, value: V): number;
}

const BYTES: Encoding<Uint8Array> = {
  roomFor: (value) => value.length,
  write: (framed, at, value) => {
    framed.set(value, at);
    return value.length;
  },
};

/** Node decodes what is not canonical as well, and only then knows how many bytes it is. */
const BASE64: Encoding<string> = {
  roomFor: (value) => value.length,
  write: (framed, at, value) => framed.write(value, at, "base64"),
};

/** Written into one buffer: a sync makes several of them, and maps of small buffers cost more than the hash. */
const framedChecksum = <V>(entries: readonly (readonly [string, V])[], encoding: Encoding<V>): string => {
  let room = 0;
  // A UTF-16 code unit is three bytes of UTF-8 at most.
  for (const [key, value] of entries) room += 16 + 3 * key.length + encoding.roomFor(value);
  const framed = Buffer.allocUnsafe(room);
  let at = 0;
  for (const [key, value] of inByteOrder(entries)) {
    const keyLength = framed.write(key, at + 8);
    at = writeLength(framed, at, keyLength) + keyLength;
    const length = encoding.write(framed, at + 8, value);
    at = writeLength(framed, at, length) + length;
  }
  return `sha256:${hash("sha256", framed.subarray(0, at))}`;
};

/** By the bytes of the keys, which is by their code points. What Kubernetes and the agent send is in that order already. */
const inByteOrder = <V>(entries: readonly (readonly [string, V])[]): readonly (readonly [string, V])[] =>
  entries.every(([key], at) => at === 0 || isInOrder(entries[at - 1]?.[0] ?? "", key))
    ? entries
    : entries.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** Code units have the order of code points where there are no surrogates; of others it answers no, whatever their order. */
const isInOrder = (a: string, b: string): boolean => a < b && !SURROGATE.test(a) && !SURROGATE.test(b);

const SURROGATE = /[\ud800-\udfff]/;

/**
 * `sha256:` and the hex of SHA-256 over the keys in byte order, each key and value preceded by its length as an
 * unsigned 64-bit big-endian number. The framing tells `{a: bc}` from `{ab: c}`.
 */
export const checksum = (keys: Iterable<readonly [string, Uint8Array]>): string =>
  framedChecksum([...keys], BYTES);

/** The checksum of a Secret's `data`, whose values are base64. */
export const checksumOfBase64 = (data: StringMap): string => framedChecksum(Object.entries(data), BASE64);

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

const SCHEME = "hmac-sha256:";
const KEYED = /^hmac-sha256:[0-9a-f]{8}:[0-9a-f]{64}$/;
const ID_DIGITS = 8;

/** The id of the key that `shown` was made under; undefined for a plain checksum. */
const keyIdOf = (shown: string): string | undefined =>
  KEYED.test(shown) ? shown.slice(SCHEME.length, SCHEME.length + ID_DIGITS) : undefined;

/** Whether a checksum is as earlier versions showed it. */
export const isPlain = (shown: string): boolean => !KEYED.test(shown);

const BLOCK_BYTES = 64;

/** The bytes of a key of at most one block, each combined with `byte`. */
const padded = (key: Uint8Array, byte: number): Buffer => {
  const block = Buffer.alloc(BLOCK_BYTES, byte);
  for (let at = 0; at < key.length; at += 1) block[at] = (key[at] ?? 0) ^ byte;
  return block;
};

/** A key's two blocks, made once: they are the same for every text. */
const blocksOf = (key: Uint8Array): { readonly inner: Buffer; readonly outer: Buffer } => {
  const known = blocks.get(key);
  if (known !== undefined) return known;
  const made = { inner: padded(key, 0x36), outer: padded(key, 0x5c) };
  blocks.set(key, made);
  return made;
};
const blocks = new WeakMap<Uint8Array, { readonly inner: Buffer; readonly outer: Buffer }>();

/**
 * HMAC-SHA-256 (RFC 2104) in hex. Of two calls of hash(), because createHmac() of OpenSSL 3 costs ten times as much for a text
 * of this length, several times in each sync.
 */
const hmacOf = (key: Uint8Array, text: string): string => {
  const { inner, outer } = blocksOf(key);
  const digest = hash("sha256", Buffer.concat([inner, Buffer.from(text)]), "buffer");
  return hash("sha256", Buffer.concat([outer, digest]));
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
  const ofFirst = `${SCHEME}${first.id}:`;
  const made = new Map<ChecksumKey, Map<string, string>>();
  const keyed = (plain: string, key: ChecksumKey): string => {
    const known = made.get(key) ?? new Map<string, string>();
    const shown = known.get(plain) ?? `${SCHEME}${key.id}:${hmacOf(key.secret, plain)}`;
    made.set(key, known.set(plain, shown));
    return shown;
  };
  const of = (plain: string): string => keyed(plain, first);
  const keyOf = (shown: string): ChecksumKey | undefined => {
    const wanted = keyIdOf(shown);
    return keys.find(({ id }) => id === wanted);
  };
  const fits = (shown: string | undefined, plain: string): boolean => {
    if (shown === undefined || shown === plain) return shown === plain;
    if (shown === of(plain)) return true;
    const key = keyOf(shown);
    return key !== undefined && key !== first && shown === keyed(plain, key);
  };
  /** What begins with the first key's id is of that key, or plain. */
  const isOutdated = (shown: string): boolean =>
    renews && !shown.startsWith(ofFirst) && !isPlain(shown) && keyIdOf(shown) !== first.id;
  return {
    of,
    fits,
    kept: (shown, plain) =>
      shown !== undefined && fits(shown, plain) && !isOutdated(shown) ? shown : of(plain),
    knows: (shown) => shown.startsWith(ofFirst) || isPlain(shown) || keyOf(shown) !== undefined,
    isOutdated,
  };
};
