// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes a recovery key, https://spec.matrix.org/latest/client-server-api/#key-representation

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const PREFIX = [0x8b, 0x01] as const;
const KEY_BYTES = 32;

/** The 32 bytes of the key, or undefined when the text is no recovery key, or has a typing error. */
export const decodeRecoveryKey = (text: string): Uint8Array | undefined => {
  const bytes = fromBase58(text.replace(/\s/g, ""));
  const isWhole = bytes?.length === PREFIX.length + KEY_BYTES + 1;
  if (!isWhole || bytes[0] !== PREFIX[0] || bytes[1] !== PREFIX[1] || parity(bytes) !== 0) return undefined;
  return bytes.subarray(PREFIX.length, PREFIX.length + KEY_BYTES);
};

/** In groups of four, as clients show it. */
export const encodeRecoveryKey = (key: Uint8Array): string => {
  const bytes = [...PREFIX, ...key];
  const text = toBase58(Uint8Array.from([...bytes, parity(bytes)]));
  return text.match(/.{1,4}/g)?.join(" ") ?? "";
};

const parity = (bytes: Iterable<number>): number => {
  let all = 0;
  for (const byte of bytes) all ^= byte;
  return all;
};

const toBase58 = (bytes: Uint8Array): string => {
  let number = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  let text = "";
  for (; number > 0n; number /= 58n) text = `${ALPHABET[Number(number % 58n)]}${text}`;
  return text;
};

/** The prefix is not zero, so that no leading zeros have to be kept. */
const fromBase58 = (text: string): Uint8Array | undefined => {
  if (text.length > 64) return undefined;
  let number = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit === -1) return undefined;
    number = number * 58n + BigInt(digit);
  }
  const hex = number.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
};
