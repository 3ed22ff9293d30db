// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes BER-TLV data objects (ISO/IEC 7816-4, section 6).

/** A data object: its tag as a number (0x53, 0x7f21, …) and its value. */
export type Tlv = { tag: number; value: Buffer };

const lengthBytes = (length: number): number[] => {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
};

const tagBytes = (tag: number): number[] => (tag > 0xff ? [tag >> 8, tag & 0xff] : [tag]);

/** The bytes of a data object with these parts as its value. */
export const tlv = (tag: number, ...parts: readonly (Uint8Array | string)[]): Buffer => {
  const value = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([...tagBytes(tag), ...lengthBytes(value.length)]), value]);
};

/** The data objects that stand one after another in `bytes`; undefined where they are cut off or no BER-TLV. */
export const readTlvs = (bytes: Buffer): Tlv[] | undefined => {
  const found: Tlv[] = [];
  let at = 0;
  const next = (): number => bytes[at++] ?? Number.NaN;
  while (at < bytes.length) {
    let tag = next();
    if ((tag & 0x1f) === 0x1f) tag = (tag << 8) | next();
    let length = next();
    if (length === 0x81) length = next();
    else if (length === 0x82) length = (next() << 8) | next();
    if (!(at + length <= bytes.length)) return undefined;
    found.push({ tag, value: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
};
