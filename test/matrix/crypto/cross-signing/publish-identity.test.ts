// SPDX-License-Identifier: Apache-2.0
// Tests the upload of an identity's public keys, with homeservers that require a password and those that do not.
import t from "tap";
import { publishIdentity } from "../../../../server/matrix/crypto/cross-signing/publish-identity.ts";
import type { HomeserverAnswer } from "../../../../server/matrix/crypto/homeserver-requests.ts";

const challenge = { status: 401, body: { session: "s", flows: [{ stages: ["m.login.password"] }] } };
const password = {
  type: "m.login.password",
  identifier: { type: "m.id.user", user: "@bot:x" },
  password: "pass",
  session: "s",
};

const rows: [string, string | undefined, HomeserverAnswer[], string, unknown[]][] = [
  [
    "a homeserver takes the first identity without a password",
    "pass",
    [{ status: 200, body: {} }],
    "published",
    [undefined],
  ],
  [
    "a password is given when it is asked for",
    "pass",
    [challenge, { status: 200, body: {} }],
    "published",
    [undefined, password],
  ],
  ["a password that is asked for is missing", undefined, [challenge], "password-needed", [undefined]],
  [
    "a password is wrong",
    "pass",
    [challenge, { status: 401, body: {} }],
    "password-needed",
    [undefined, password],
  ],
  [
    "something else than a password is asked for",
    "pass",
    [{ status: 401, body: { flows: [{ stages: ["m.login.sso"] }] } }],
    "password-needed",
    [undefined],
  ],
  ["a homeserver does not answer", "pass", [{ status: 0, body: undefined }], "unavailable", [undefined]],
  ["a homeserver fails", "pass", [{ status: 500, body: "oh" }], "unavailable", [undefined]],
];

for (const [title, given, answers, result, auths] of rows) {
  t.test(title, async (t) => {
    const sent: unknown[] = [];
    const request = async (_method: string, path: string, body?: unknown): Promise<HomeserverAnswer> => {
      t.equal(path, "keys/device_signing/upload");
      sent.push(body);
      return answers[sent.length - 1] ?? { status: 500, body: undefined };
    };
    t.equal(await publishIdentity(request, "@bot:x", given, '{"master_key":{}}'), result);
    t.strictSame(
      sent,
      auths.map((auth) => ({ master_key: {}, ...(auth !== undefined && { auth }) })),
    );
  });
}
