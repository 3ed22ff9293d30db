// SPDX-License-Identifier: Apache-2.0
// Encrypts and decrypts exports with age (https://age-encryption.org/v1), by its author's library, which is loaded on first
// use.
import { CommandFailed } from "./exit-codes.ts";

/** As age's own -R and -i files: one a line, blank lines and lines that start with # are skipped. */
export const linesOf = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));

/** @throws CommandFailed for a recipient that is not one of age's public keys. */
export const encryptTo = async (
  recipients: readonly string[],
  plain: string,
  armored: boolean,
): Promise<Uint8Array> => {
  const { Encrypter, armor } = await import("age-encryption");
  const encrypter = new Encrypter();
  for (const [index, recipient] of recipients.entries()) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      throw new CommandFailed(
        "usage",
        `recipient ${index + 1} is not a public key of age, which age-keygen prints: age1…; SSH keys are not taken`,
      );
    }
  }
  const encrypted = await encrypter.encrypt(plain);
  return armored ? Buffer.from(armor.encode(encrypted)) : encrypted;
};

const BINARY = "age-encryption.org/";
const ARMORED = "-----BEGIN AGE ENCRYPTED FILE-----";

export const isEncrypted = (contents: Buffer): boolean =>
  contents.subarray(0, BINARY.length).toString("latin1") === BINARY ||
  contents.subarray(0, 100).toString("latin1").trimStart().startsWith(ARMORED);

/** @throws CommandFailed where no identity fits, or the file is damaged. */
export const decryptWith = async (
  identities: readonly string[],
  contents: Buffer,
  what: string,
): Promise<Buffer> => {
  const { Decrypter, armor } = await import("age-encryption");
  const decrypter = new Decrypter();
  for (const [index, identity] of identities.entries()) {
    try {
      decrypter.addIdentity(identity);
    } catch {
      throw new CommandFailed(
        "usage",
        `identity ${index + 1} is not a private key of age: AGE-SECRET-KEY-1…`,
      );
    }
  }
  try {
    const binary = contents.subarray(0, BINARY.length).toString("latin1") === BINARY;
    return Buffer.from(
      await decrypter.decrypt(binary ? contents : armor.decode(contents.toString("latin1"))),
    );
  } catch {
    throw new CommandFailed("usage", `${what} can't be decrypted: no identity fits, or it is damaged`);
  }
};
