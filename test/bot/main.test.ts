// SPDX-License-Identifier: Apache-2.0
// Tests the beginning of the bot's log: its configuration as readable lines, each valid JSON, without a secret.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { BOT_VARIABLES, parseBotConfig } from "../../server/bot/config.ts";
import { announceBot } from "../../server/bot/main.ts";
import { recordedLog } from "../http/recorded-log.ts";

t.test("the start-up table and the warnings are in the log, secrets are not", async (t) => {
  const secret = randomBytes(16).toString("hex");
  const root = t.testdir({ password: secret, "service-account": { token: secret, "ca.crt": "c" } });
  const env = {
    MATRIX_HOMESERVER: "http://matrix.example.org",
    MATRIX_USER: "bot",
    MATRIX_PASSWORD_FILE: join(root, "password"),
    AUTH_METHOD: "jwt",
    KEYCLOAK_URL: "https://keycloak.example.org",
    KEYCLOAK_REALM: "matrix",
    KEYCLOAK_CLIENT_ID: "bot",
    KEYCLOAK_CLIENT_SECRET: secret,
    ALLOWED_USERS: "@alice:example.org",
    CRYPTO_STORE_PATH: join(root, "store"),
    KUBERNETES_SERVICE_HOST: "10.96.0.1",
    KUBERNETES_SERVICE_PORT: "443",
  };
  const parsed = parseBotConfig(env, join(root, "service-account"));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const log = recordedLog("info");
  announceBot(parsed.config, env, log.logger);
  const table = log.lines.filter(({ level }) => level === "info").map(({ msg }) => String(msg));
  t.equal(table.length, Object.keys(BOT_VARIABLES).length + 1);
  const row = (name: string) => table.find((line) => line.startsWith(`${name} `));
  t.match(row("KEYCLOAK_CLIENT_SECRET"), /\| set +\| set$/);
  t.match(row("MATRIX_PASSWORD_FILE"), `| file ${join(root, "password")}`);
  t.match(row("ALLOWED_USERS"), "| @alice:example.org ");
  const warnings = log.lines.filter(({ level }) => level === "warn");
  t.match(warnings, [{ msg: /^MATRIX_HOMESERVER is http:\/\// }]);
  t.notMatch(log.text(), secret);
});
