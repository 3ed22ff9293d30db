// SPDX-License-Identifier: Apache-2.0
// Sets up a valid configuration of the bot for tests, with its files and a password made at run time.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { parseBotConfig } from "../../server/bot/config.ts";
import { createAuthority } from "../http/authority.ts";

export const password = randomBytes(12).toString("hex");
export const masterKey = randomBytes(32).toString("base64").replace(/=$/, "");
const root = t.testdir({
  token: `${randomBytes(20).toString("hex")}\n`,
  empty: "",
  password: `${password}\n`,
  "recovery-key": "EsTo 1234\n",
  "service-account": { token: "t", "ca.crt": "c", namespace: "keyswitch" },
  store: {},
});
const authority = createAuthority(root);
export const server = authority.issue("server");
export const at = (name: string) => join(root, name);

export const minimal = {
  MATRIX_USER: "bot",
  MATRIX_PASSWORD: password,
  ALLOWED_USERS: "@alice:example.org",
  CRYPTO_STORE_PATH: at("store"),
  KUBERNETES_SERVICE_HOST: "10.96.0.1",
  KUBERNETES_SERVICE_PORT: "443",
};
export const parse = (env: Record<string, string>) => parseBotConfig(env, at("service-account"));
