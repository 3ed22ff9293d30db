// SPDX-License-Identifier: Apache-2.0
// Builds the files that describe a card: its device certificate (BSI TR-03110-3, appendix C) and EF.TokenInfo (PKCS#15).
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { tlv } from "./tlv.ts";

/** id-TA-ECDSA-SHA-256 (0.4.0.127.0.7.2.2.2.2.3). */
const ECDSA_SHA256 = Buffer.from("04007f00070202020203", "hex");

/** Domain parameters of prime256v1 (SEC 2, section 2.4.2): p, a, b, G, n and the cofactor, by the tags of TR-03110. */
const PRIME256V1: readonly (readonly [number, string])[] = [
  [0x81, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"],
  [0x82, "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"],
  [0x83, "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"],
  [
    0x84,
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
  ],
  [0x85, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"],
];

/** A public key of prime256v1 that nobody has the private key of, as an uncompressed point. */
const somePoint = (): Buffer => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return publicKey.export({ type: "spki", format: "der" }).subarray(-65);
};

/**
 * A card verifiable certificate over a new key, with a signature that nobody checks: `holder` ends with a sequence number
 * of five digits, which readers cut off to get the card's serial number.
 */
export const cardVerifiable = (holder: string): Buffer => {
  const domain = PRIME256V1.map(([tag, hex]) => tlv(tag, Buffer.from(hex, "hex")));
  const key = tlv(
    0x7f49,
    tlv(0x06, ECDSA_SHA256),
    ...domain,
    tlv(0x86, somePoint()),
    tlv(0x87, Buffer.from([1])),
  );
  const body = tlv(0x7f4e, tlv(0x5f29, Buffer.from([0])), tlv(0x42, "TESTCA00001"), key, tlv(0x5f20, holder));
  return tlv(0x7f21, body, tlv(0x5f37, randomBytes(64)));
};

/** PKCS#15's TokenInfo (ISO/IEC 7816-15, section 8.9) of a card with this label, as the firmware initialises it. */
export const tokenInfo = (label: string): Buffer =>
  tlv(
    0x30,
    tlv(0x02, Buffer.from([1])),
    tlv(0x04, Buffer.alloc(8)),
    tlv(0x0c, "Pol Henarejos"),
    tlv(0x80, label),
    tlv(0x03, Buffer.from([4, 0x10])),
  );

/** A key's PKCS#15 description (PrivateECKey: ISO/IEC 7816-15, section 8.4), as the firmware makes it. */
const keyDescription = (label: string, id: number): Buffer =>
  tlv(
    0xa0,
    tlv(0x30, tlv(0x0c, label)),
    tlv(0x30, tlv(0x04, Buffer.from([id])), tlv(0x03, Buffer.from([0x07, 0x20, 0x80]))),
    tlv(0xa1, tlv(0x30, tlv(0x30, tlv(0x04, Buffer.alloc(0))), tlv(0x02, Buffer.from([1, 0])))),
  );

/** The request for a certificate that stands beside a key until there is one: a CVC in an authenticated request. */
const certificateRequest = (holder: string): Buffer =>
  tlv(0x67, cardVerifiable(holder), tlv(0x42, holder), tlv(0x5f37, randomBytes(64)));

/**
 * The files of an elliptic curve key: the key itself (which nobody can read), its description, and an X.509 certificate or the
 * request for one.
 */
export const keyFiles = (id: number, label: string, certificate?: Buffer): [fid: number, file: Buffer][] => [
  [0xcc00 | id, randomBytes(32)],
  [0xc400 | id, keyDescription(label, id)],
  [0xce00 | id, certificate ?? certificateRequest("ESPICOHSM00001")],
];
