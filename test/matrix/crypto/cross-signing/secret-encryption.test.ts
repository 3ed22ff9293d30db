// SPDX-License-Identifier: Apache-2.0
// Tests recovery keys and secret storage against matrix-js-sdk's own.
import { randomBytes } from "node:crypto";
import {
  decodeRecoveryKey as decodeAsSdk,
  encodeRecoveryKey as encodeAsSdk,
} from "matrix-js-sdk/lib/crypto-api/index.js";
import { calculateKeyCheck } from "matrix-js-sdk/lib/secret-storage.js";
import decryptAESSecretStorageItem from "matrix-js-sdk/lib/utils/decryptAESSecretStorageItem.js";
import encryptAESSecretStorageItem from "matrix-js-sdk/lib/utils/encryptAESSecretStorageItem.js";
import t from "tap";
import {
  decodeRecoveryKey,
  encodeRecoveryKey,
} from "../../../../server/matrix/crypto/cross-signing/recovery-key.ts";
import {
  decryptSecret,
  describeKey,
  encryptSecret,
  isKeyDescribed,
} from "../../../../server/matrix/crypto/cross-signing/secret-encryption.ts";

t.test("recovery keys are what matrix-js-sdk takes for them", async (t) => {
  for (const key of [randomBytes(32), randomBytes(32), Buffer.alloc(32), Buffer.alloc(32, 255)]) {
    const text = encodeRecoveryKey(key);
    t.equal(text, encodeAsSdk(key));
    t.strictSame(Buffer.from(decodeAsSdk(text)), key);
    t.strictSame(Buffer.from(decodeRecoveryKey(`\n${text} `) ?? []), key);
    t.strictSame(Buffer.from(decodeRecoveryKey(text.replaceAll(" ", "")) ?? []), key);
  }
});

t.test("what is no recovery key is none", async (t) => {
  const text = encodeRecoveryKey(randomBytes(32)).replaceAll(" ", "");
  const other = text.at(-1) === "2" ? "3" : "2";
  const wrong = [
    "",
    "0OIl",
    text.slice(1),
    `${text}1`,
    text.slice(0, -1) + other,
    "correct horse battery staple",
    "1".repeat(9999),
  ];
  for (const each of wrong) t.equal(decodeRecoveryKey(each), undefined, each.slice(0, 60));
});

t.test("matrix-js-sdk reads what we encrypt, and we what it does", async (t) => {
  const key = randomBytes(32);
  const secret = randomBytes(32).toString("base64").replace(/=+$/, "");
  const name = "m.cross_signing.master";
  t.equal(await decryptAESSecretStorageItem(encryptSecret(key, name, secret), key, name), secret);
  const theirs = await encryptAESSecretStorageItem(secret, key, name);
  t.equal(decryptSecret(key, name, theirs), secret);
  t.equal(decryptSecret(randomBytes(32), name, theirs), undefined, "another key");
  t.equal(decryptSecret(key, "m.cross_signing.self_signing", theirs), undefined, "another name");
  t.equal(decryptSecret(key, name, { ...theirs, mac: "" }), undefined, "no authentication code");
});

t.test("a key is told by its description", async (t) => {
  const key = randomBytes(32);
  const description = describeKey(key);
  t.match(await calculateKeyCheck(key, description.iv), {
    mac: new RegExp(`^${escaped(description.mac ?? "")}`),
  });
  t.ok(isKeyDescribed(key, description));
  t.notOk(isKeyDescribed(randomBytes(32), description));
  const { iv, mac } = await calculateKeyCheck(key);
  t.ok(isKeyDescribed(key, { algorithm: description.algorithm, iv, mac }));
});

/** For a regular expression. */
const escaped = (text: string): string => text.replace(/[+/]/g, "\\$&");
