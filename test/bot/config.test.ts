// SPDX-License-Identifier: Apache-2.0
// Tests the bot's environment variables: valid values, defaults, and the startup output.
import t from "tap";
import { BOT_VARIABLES } from "../../server/bot/config.ts";
import { startupTable } from "../../server/config/startup-table.ts";
import { at, masterKey, minimal, parse, password, server } from "./config-scene.ts";

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
  for (const part of [config, config.allowedUsers, config.matrix, config.trust.identities]) {
    t.ok(Object.isFrozen(part));
  }
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
  [
    "ADDRESSING and COMMAND_PREFIX by default, without DEPLOYMENT_NAME",
    { DEPLOYMENT_NAME: "" },
    { addressing: { mode: "auto", prefix: "!", bare: false } },
  ],
  [
    "ADDRESSING and COMMAND_PREFIX, with DEPLOYMENT_NAME",
    { ADDRESSING: "mention", COMMAND_PREFIX: "ks", DEPLOYMENT_NAME: "clawdbot" },
    { addressing: { mode: "mention", prefix: "ks", bare: true } },
  ],
  ["TIME_ZONE", { TIME_ZONE: "Europe/Berlin" }, { timeZone: "Europe/Berlin" }],
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
for (const [sentence, env, config] of accepted) {
  t.test(sentence, async (t) => t.match(parse({ ...minimal, ...env }), { ok: true, config }));
}

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
      for (const name of hidden) {
        t.match(
          lines.find((line) => line.startsWith(`${name} `)),
          / \| set +\| set$/,
        );
      }
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
  ]) {
    t.test(`hides credentials in ${address.replace(password, "…")}`, async (t) => {
      const lines = startupTable({ MATRIX_HOMESERVER: address, KEYCLOAK_URL: address }, BOT_VARIABLES);
      t.notMatch(lines.join("\n"), password);
      t.match(lines.join("\n"), "example.org");
    });
  }

  t.test("a value with line breaks stays one line", async (t) => {
    const lines = startupTable({ ALLOWED_USERS: "@a:b,\n@c:d" }, BOT_VARIABLES);
    t.match(lines.join("\n"), "| @a:b, @c:d ");
    t.ok(lines.every((line) => !line.includes("\n")));
  });
});
