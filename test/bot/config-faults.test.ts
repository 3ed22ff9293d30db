// SPDX-License-Identifier: Apache-2.0
// Tests which values of the bot's variables are refused, that all faults come at once, and that none cites a password.
import t from "tap";
import { parseBotConfig } from "../../server/bot/config.ts";
import { at, masterKey, minimal, parse, password } from "./config-scene.ts";

const userId = "must be a full user id such as @alice:example.org";
const identity = "must be @user:server=key, with the 43 characters of an Ed25519 key in base64";
const rows: [sentence: string, env: Record<string, string>, name: string, message: string][] = [
  ["somebody must be allowed", { ALLOWED_USERS: "" }, "ALLOWED_USERS", "is required"],
  ["a list of nobody", { ALLOWED_USERS: " , ," }, "ALLOWED_USERS", "must name at least one user"],
  ["a local part alone", { ALLOWED_USERS: "alice" }, "ALLOWED_USERS", `entry 1 ${userId}`],
  ["a user without a server", { ALLOWED_USERS: "@a:b,@alice" }, "ALLOWED_USERS", `entry 2 ${userId}`],
  ["a room", { ALLOWED_USERS: "!room:example.org" }, "ALLOWED_USERS", `entry 1 ${userId}`],
  ["everybody of a server", { ALLOWED_USERS: "@*:example.org/*" }, "ALLOWED_USERS", `entry 1 ${userId}`],
  ["two users without a comma", { ALLOWED_USERS: "@a:b.c @d:e.f" }, "ALLOWED_USERS", `entry 1 ${userId}`],
  ["too long a user", { ALLOWED_USERS: `@${"a".repeat(250)}:b.cd` }, "ALLOWED_USERS", `entry 1 ${userId}`],
  [
    "a Deployment's name",
    { DEPLOYMENT_NAME: "Web" },
    "DEPLOYMENT_NAME",
    "must be a Kubernetes name such as web",
  ],
  ["a namespace", { DEPLOYMENT_NAMESPACE: "a.b" }, "DEPLOYMENT_NAMESPACE", "must be a namespace's name"],
  [
    "two namespaces",
    { DEPLOYMENT_NAMESPACE: "a", TOGGLE_NAMESPACE: "b" },
    "TOGGLE_NAMESPACE",
    "must be the same as DEPLOYMENT_NAMESPACE, or one of the two unset",
  ],
  [
    "a prefix with a space",
    { COMMAND_PREFIX: "a b" },
    "COMMAND_PREFIX",
    "must be 1 to 32 characters without spaces",
  ],
  [
    "an unknown way to be addressed",
    { ADDRESSING: "never" },
    "ADDRESSING",
    "must be one of auto, always, mention",
  ],
  ["a doubtful echo", { ECHO_MODE: "maybe" }, "ECHO_MODE", "must be true or false (or 1, 0, yes, no)"],
  [
    "an age of nothing",
    { COMMAND_MAX_AGE_SECONDS: "0" },
    "COMMAND_MAX_AGE_SECONDS",
    "must be a whole number from 1 to 86400",
  ],
  ["a relative store", { CRYPTO_STORE_PATH: "data" }, "CRYPTO_STORE_PATH", "must be an absolute path"],
  [
    "a store below a file",
    { CRYPTO_STORE_PATH: at("password/store") },
    "CRYPTO_STORE_PATH",
    `${at("password/store")} is not, and can't be, a folder`,
  ],
  ["an engine", { CRYPTO_ENGINE: "olm" }, "CRYPTO_ENGINE", "must be one of auto, native, wasm"],
  ["a trust policy", { TRUST_POLICY: "trust" }, "TRUST_POLICY", "must be one of warn, refuse"],
  [
    "a log level of loguru's",
    { LOGURU_LEVEL: "loud" },
    "LOGURU_LEVEL",
    "must be one of TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR, CRITICAL",
  ],
  [
    "a recovery key that is not there",
    { MATRIX_RECOVERY_KEY_FILE: at("none") },
    "MATRIX_RECOVERY_KEY_FILE",
    `${at("none")} does not exist`,
  ],
  [
    "an identity without a key",
    { TRUSTED_IDENTITIES: "@alice:example.org" },
    "TRUSTED_IDENTITIES",
    `entry 1 ${identity}`,
  ],
  [
    "half a key",
    { TRUSTED_IDENTITIES: `@alice:example.org=${masterKey.slice(1)}` },
    "TRUSTED_IDENTITIES",
    `entry 1 ${identity}`,
  ],
  [
    "a key with spare bits",
    { TRUSTED_IDENTITIES: `@alice:example.org=${"A".repeat(42)}B` },
    "TRUSTED_IDENTITIES",
    `entry 1 ${identity}`,
  ],
  [
    "a stranger's identity",
    { TRUSTED_IDENTITIES: `@eve:example.org=${masterKey}` },
    "TRUSTED_IDENTITIES",
    "entry 1 (@eve:example.org) is for a user that ALLOWED_USERS does not name",
  ],
  [
    "two identities of one user",
    { TRUSTED_IDENTITIES: `@alice:example.org=${masterKey},@alice:example.org=${masterKey}` },
    "TRUSTED_IDENTITIES",
    "entry 2 (@alice:example.org) is the second for this user",
  ],
  [
    "a listener beyond loopback",
    { LISTEN_HOST: "0.0.0.0" },
    "LISTEN_HOST",
    "0.0.0.0 is beyond loopback, which needs TLS_CERT_FILE and TLS_KEY_FILE and METRICS_TOKEN_FILE or TLS_CLIENT_CA_FILE to be set",
  ],
  [
    "a password in a file beside one in a variable",
    { MATRIX_PASSWORD_FILE: at("password") },
    "MATRIX_PASSWORD_FILE",
    "must not be set beside MATRIX_PASSWORD",
  ],
];
for (const [sentence, env, name, message] of rows) {
  t.test(`refused: ${sentence}`, async (t) =>
    t.same(parse({ ...minimal, ...env }), { ok: false, faults: [{ name, message }] }),
  );
}

t.test("all faults come at once, and none cites a password", async (t) => {
  const result = parseBotConfig(
    {
      MATRIX_HOMESERVER: `https://bot:${password}@example.org`,
      MATRIX_PASSWORD: password,
      KEYCLOAK_CLIENT_SECRET: password,
      AUTH_METHOD: "jwt",
      ALLOWED_USERS: "alice",
      ECHO_MODE: password,
      LISTEN_PORT: password,
      LOGURU_LEVEL: password,
      TRUSTED_IDENTITIES: password,
      CRYPTO_STORE_PATH: "x",
    },
    at("none"),
  );
  t.same(result.ok ? [] : result.faults.map(({ name }) => name).sort(), [
    "ALLOWED_USERS",
    "CRYPTO_STORE_PATH",
    "ECHO_MODE",
    "KEYCLOAK_CLIENT_ID",
    "KEYCLOAK_REALM",
    "KEYCLOAK_URL",
    "KUBECONFIG",
    "LISTEN_PORT",
    "LOGURU_LEVEL",
    "MATRIX_HOMESERVER",
    "MATRIX_USER",
    "TRUSTED_IDENTITIES",
  ]);
  t.notMatch(JSON.stringify(result), password);
});
