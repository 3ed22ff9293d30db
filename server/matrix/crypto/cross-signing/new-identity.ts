// SPDX-License-Identifier: Apache-2.0
// Makes the three key pairs of an identity without a device, and the request that publishes them.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import type { CrossSigningKeys } from "../olm-machine.ts";

/** What stands before the 32 bytes of an Ed25519 key, https://www.rfc-editor.org/rfc/rfc8410#section-7 */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

const privateKey = (seed: string): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, Buffer.from(seed, "base64")]),
    format: "der",
    type: "pkcs8",
  });

/** The public half, base64 without padding. @throws Error when `seed` is no key */
export const publicKeyOf = (seed: string): string => {
  const der = createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" });
  return unpadded(der.subarray(der.length - 32));
};

export const newCrossSigningKeys = (): CrossSigningKeys => ({
  master: unpadded(randomBytes(32)),
  selfSigning: unpadded(randomBytes(32)),
  userSigning: unpadded(randomBytes(32)),
});

/**
 * The body of https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysdevice_signingupload, JSON: the
 * master key, and the two others that it has signed.
 */
export const identityUpload = (user: string, keys: CrossSigningKeys): string => {
  const master = publicKeyOf(keys.master);
  const signed = (seed: string, usage: string) => {
    const key = keyOf(user, publicKeyOf(seed), usage);
    // Canonical JSON: the fields are in the order of their names.
    const signature = sign(null, Buffer.from(JSON.stringify(key)), privateKey(keys.master));
    return { ...key, signatures: { [user]: { [`ed25519:${master}`]: unpadded(signature) } } };
  };
  return JSON.stringify({
    master_key: keyOf(user, master, "master"),
    self_signing_key: signed(keys.selfSigning, "self_signing"),
    user_signing_key: signed(keys.userSigning, "user_signing"),
  });
};

const keyOf = (user: string, key: string, usage: string) => ({
  keys: { [`ed25519:${key}`]: key },
  usage: [usage],
  user_id: user,
});
