// SPDX-License-Identifier: Apache-2.0
// Encrypts secrets for account data, https://spec.matrix.org/latest/client-server-api/#msecret_storagev1aes-hmac-sha2
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";

/** A secret under one key; all base64. */
export const EncryptedSecret = Type.Object({
  iv: Type.String(),
  ciphertext: Type.String(),
  mac: Type.String(),
});

export type EncryptedSecret = Static<typeof EncryptedSecret>;

/** The content of m.secret_storage.key.<id>; without iv and mac, a key can't be checked. */
export const KeyDescription = Type.Object({
  algorithm: Type.Literal("m.secret_storage.v1.aes-hmac-sha2"),
  iv: Type.Optional(Type.String()),
  mac: Type.Optional(Type.String()),
});

export type KeyDescription = Static<typeof KeyDescription>;

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

/** The first half of the derived bytes is for AES, the second for HMAC. */
const keysFor = (key: Uint8Array, name: string): { readonly aes: Uint8Array; readonly hmac: Uint8Array } => {
  const derived = new Uint8Array(hkdfSync("sha256", key, new Uint8Array(32), name, 64));
  return { aes: derived.subarray(0, 32), hmac: derived.subarray(32) };
};

/** Bit 63 is cleared, for implementations that count with 64 bits. */
const newIv = (): Uint8Array => {
  const iv = randomBytes(16);
  iv.writeUInt8(iv.readUInt8(8) & 0x7f, 8);
  return iv;
};

export const encryptSecret = (
  key: Uint8Array,
  name: string,
  secret: string,
  iv = newIv(),
): EncryptedSecret => {
  const { aes, hmac } = keysFor(key, name);
  const cipher = createCipheriv("aes-256-ctr", aes, iv);
  const ciphertext = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
  const mac = createHmac("sha256", hmac).update(ciphertext).digest();
  return { iv: unpadded(iv), ciphertext: unpadded(ciphertext), mac: unpadded(mac) };
};

/** Undefined when it was encrypted with another key, or for another name, or is damaged. */
export const decryptSecret = (key: Uint8Array, name: string, secret: EncryptedSecret): string | undefined => {
  const iv = Buffer.from(secret.iv, "base64");
  const ciphertext = Buffer.from(secret.ciphertext, "base64");
  const mac = Buffer.from(secret.mac, "base64");
  const { aes, hmac } = keysFor(key, name);
  const expected = createHmac("sha256", hmac).update(ciphertext).digest();
  if (iv.length !== 16 || mac.length !== expected.length || !timingSafeEqual(mac, expected)) return undefined;
  const decipher = createDecipheriv("aes-256-ctr", aes, iv);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8");
};

/** What is encrypted to tell a key by. */
const ZEROS = "\0".repeat(32);

/** The description of a new key, by which it can be told from others. */
export const describeKey = (key: Uint8Array, iv?: Uint8Array): KeyDescription => {
  const { iv: usedIv, mac } = encryptSecret(key, "", ZEROS, iv);
  return { algorithm: "m.secret_storage.v1.aes-hmac-sha2", iv: usedIv, mac };
};

/** Whether `key` is the one described; one that can't be checked counts as right. */
export const isKeyDescribed = (key: Uint8Array, { iv, mac }: KeyDescription): boolean => {
  if (iv === undefined || mac === undefined) return true;
  const described = describeKey(key, Buffer.from(iv, "base64"));
  return described.mac === mac.replace(/=+$/, "");
};
