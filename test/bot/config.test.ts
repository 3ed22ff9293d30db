// SPDX-License-Identifier: Apache-2.0
// Tests the bot's environment variables: valid values, error messages, that all errors come at once, and the startup output.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { BOT_VARIABLES, parseBotConfig } from "../../server/bot/config.ts";
import { startupTable } from "../../server/config/startup-table.ts";
import { createAuthority } from "../http/authority.ts";

const password = randomBytes(12).toString("hex");
const masterKey = randomBytes(32).toString("base64").replace(/=$/, "");
const root = t.testdir({
  token: `${randomBytes(20).toString("hex")}\n`,
  empty: "",
  password: `${password}\n`,
  "recovery-key": "EsTo 1234\n",
  "service-account": { token: "t", "ca.crt": "c", namespace: "keyswitch" },
  store: {},
});
const authority = createAuthority(root);
const server = authority.issue("server");
const at = (name: string) => join(root, name);

const minimal = {
  MATRIX_USER: "bot",
  MATRIX_PASSWORD: password,
  ALLOWED_USERS: "@alice:example.org",
  CRYPTO_STORE_PATH: at("store"),
  KUBERNETES_SERVICE_HOST: "10.96.0.1",
  KUBERNETES_SERVICE_PORT: "443",
};
const parse = (env: Record<string, string>) => parseBotConfig(env, at("service-account"));

t.test("what the bot that we replace needs is enough, with its defaults, and is frozen", async (t) => {
  const result = parse(minimal);
  t.match(result, {
    ok: true,
    config: {
      logLevel: "info",
      listenHost: "127.0.0.1",
      listenPort: 8445,
      matrix: {
        homeserver: "http://synapse.matrix.svc.cluster.local:8008",
        auth: { method: "password", user: "bot" },
      },
      kubernetes: { origin: "https://10.96.0.1:443" },
      allowedUsers: ["@alice:example.org"],
      toggle: { name: "clawdbot", namespace: "clawdbot" },
      echoMode: true,
      commandMaxAgeSeconds: 120,
      crypto: { storePath: at("store"), engine: "auto" },
      trust: { policy: "warn", identities: [] },
    },
  });
  if (!result.ok) return;
  const { config } = result;
  for (const part of [config, config.allowedUsers, config.matrix, config.trust.identities])
    t.ok(Object.isFrozen(part));
  const { auth } = config.matrix;
  t.equal(auth.method === "password" && auth.password.reveal(), password);
});

t.test("a whole configuration", async (t) => {
  const result = parse({
    ...minimal,
    MATRIX_PASSWORD: "",
    MATRIX_PASSWORD_FILE: at("password"),
    MATRIX_HOMESERVER: "https://matrix.example.org",
    MATRIX_RECOVERY_KEY_FILE: at("recovery-key"),
    ALLOWED_USERS: " @alice:example.org , @Bob=x/y:[2001:db8::1]:8448,@alice:example.org,, ",
    DEPLOYMENT_NAME: "web",
    DEPLOYMENT_NAMESPACE: "shop",
    ECHO_MODE: "No",
    COMMAND_MAX_AGE_SECONDS: "60",
    CRYPTO_STORE_PATH: at("new/folder"),
    CRYPTO_ENGINE: "wasm",
    TRUST_POLICY: "refuse",
    TRUSTED_IDENTITIES: `@Bob=x/y:[2001:db8::1]:8448=${masterKey}, @alice:example.org=${masterKey}=`,
    LISTEN_HOST: "0.0.0.0",
    LISTEN_PORT: "9445",
    TLS_CERT_FILE: server.certFile,
    TLS_KEY_FILE: server.keyFile,
    METRICS_TOKEN_FILE: at("token"),
    LOG_LEVEL: "debug",
    LOGURU_LEVEL: "ERROR",
  });
  t.match(result, {
    ok: true,
    config: {
      logLevel: "debug",
      listenHost: "0.0.0.0",
      listenPort: 9445,
      metricsTokenFile: at("token"),
      allowedUsers: ["@alice:example.org", "@Bob=x/y:[2001:db8::1]:8448"],
      toggle: { name: "web", namespace: "shop" },
      echoMode: false,
      commandMaxAgeSeconds: 60,
      crypto: { storePath: at("new/folder"), engine: "wasm", recoveryKeyFile: at("recovery-key") },
      trust: {
        policy: "refuse",
        identities: [
          { user: "@Bob=x/y:[2001:db8::1]:8448", masterKey },
          { user: "@alice:example.org", masterKey },
        ],
      },
    },
  });
});

const accepted: [sentence: string, env: Record<string, string>, config: object][] = [
  ["ECHO_MODE is on with 1", { ECHO_MODE: "1" }, { echoMode: true }],
  ["ECHO_MODE is on with Yes", { ECHO_MODE: "Yes" }, { echoMode: true }],
  ["ECHO_MODE is on when it is empty", { ECHO_MODE: "" }, { echoMode: true }],
  ["ECHO_MODE is off with FALSE", { ECHO_MODE: "FALSE" }, { echoMode: false }],
  ["ECHO_MODE is off with 0", { ECHO_MODE: "0" }, { echoMode: false }],
  ["the log level of the bot that we replace", { LOGURU_LEVEL: "WARNING" }, { logLevel: "warn" }],
  ["its log level in small letters", { LOGURU_LEVEL: "success" }, { logLevel: "info" }],
  ["LOG_LEVEL goes before it", { LOGURU_LEVEL: "TRACE", LOG_LEVEL: "info" }, { logLevel: "info" }],
  [
    "TOGGLE_NAMESPACE alone",
    { TOGGLE_NAMESPACE: "shop" },
    { toggle: { name: "clawdbot", namespace: "shop" } },
  ],
  [
    "both namespaces, when they are the same",
    { TOGGLE_NAMESPACE: "shop", DEPLOYMENT_NAMESPACE: "shop" },
    { toggle: { namespace: "shop" } },
  ],
  ["a token needs no password", { AUTH_METHOD: "token", MATRIX_ACCESS_TOKEN: "x", MATRIX_PASSWORD: "" }, {}],
];
for (const [sentence, env, config] of accepted)
  t.test(sentence, async (t) => t.match(parse({ ...minimal, ...env }), { ok: true, config }));

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
for (const [sentence, env, name, message] of rows)
  t.test(`refused: ${sentence}`, async (t) =>
    t.same(parse({ ...minimal, ...env }), { ok: false, faults: [{ name, message }] }),
  );

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

t.test("the start-up table", async (t) => {
  t.test("has a line for each variable, aligned, that says where the value is from", async (t) => {
    const lines = startupTable({ ECHO_MODE: "no", LISTEN_PORT: " " }, BOT_VARIABLES);
    t.equal(lines.length, Object.keys(BOT_VARIABLES).length + 1);
    t.match(lines[0], /^variable +\| value +\| from$/);
    t.match(
      lines.find((line) => line.startsWith("ECHO_MODE ")),
      / \| no +\| set$/,
    );
    t.match(
      lines.find((line) => line.startsWith("LISTEN_PORT ")),
      / \| 8445 +\| default$/,
    );
    t.match(
      lines.find((line) => line.startsWith("MATRIX_PASSWORD ")),
      / \| unset +\| default$/,
    );
    t.equal(new Set(lines.map((line) => line.indexOf("|"))).size, 1);
  });

  t.test(
    "hides exactly the secrets, whether they are valid or not, and shows the paths of files",
    async (t) => {
      const marker = (name: string) => `${password}-${name}`;
      const env = Object.fromEntries(Object.keys(BOT_VARIABLES).map((name) => [name, marker(name)]));
      const lines = startupTable(env, BOT_VARIABLES);
      const hidden = Object.keys(BOT_VARIABLES).filter(
        (name) => !lines.some((line) => line.startsWith(`${name} `) && line.includes(marker(name))),
      );
      t.same(hidden.sort(), ["KEYCLOAK_CLIENT_SECRET", "MATRIX_ACCESS_TOKEN", "MATRIX_PASSWORD"]);
      for (const name of hidden)
        t.match(
          lines.find((line) => line.startsWith(`${name} `)),
          / \| set +\| set$/,
        );
      t.match(
        lines.find((line) => line.startsWith("MATRIX_PASSWORD_FILE ")),
        `| file ${marker("MATRIX_PASSWORD_FILE")}`,
      );
    },
  );

  for (const address of [
    `https://bot:${password}@example.org`,
    `https://bot:a/${password}@example.org`,
    `bot:${password}@example.org`,
    `https://example.org/?token=${password}`,
    `https://example.org/#${password}`,
  ])
    t.test(`hides credentials in ${address.replace(password, "…")}`, async (t) => {
      const lines = startupTable({ MATRIX_HOMESERVER: address, KEYCLOAK_URL: address }, BOT_VARIABLES);
      t.notMatch(lines.join("\n"), password);
      t.match(lines.join("\n"), "example.org");
    });

  t.test("a value with line breaks stays one line", async (t) => {
    const lines = startupTable({ ALLOWED_USERS: "@a:b,\n@c:d" }, BOT_VARIABLES);
    t.match(lines.join("\n"), "| @a:b, @c:d ");
    t.ok(lines.every((line) => !line.includes("\n")));
  });
});
