// SPDX-License-Identifier: Apache-2.0
// Tests the bot and conntest as real processes with an invalid configuration: every error, exit code 1, and no secret.

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { startProcess } from "./process-under-test.ts";

const secret = randomBytes(16).toString("hex");

/** Each variable that can hold a secret has one, and something else is wrong with each. */
const faulty = {
  MATRIX_HOMESERVER: `https://bot:${secret}@example.org`,
  MATRIX_PASSWORD: secret,
  MATRIX_PASSWORD_FILE: "/none",
  KEYCLOAK_CLIENT_SECRET: secret,
  MATRIX_ACCESS_TOKEN: secret,
  AUTH_METHOD: "jwt",
  MATRIX_USER: "bot",
  ALLOWED_USERS: `alice,@bob:example.org,${secret}`,
  TRUSTED_IDENTITIES: `@bob:example.org=${secret}`,
  CRYPTO_STORE_PATH: "data",
  LISTEN_HOST: "0.0.0.0",
};

t.test("a bot with faults names each of them, logs nothing, exits 1 and shows no secret", async (t) => {
  const { ended, lines } = startProcess(t, "bot", faulty);
  const { code, stderr } = await ended;
  t.equal(code, 1);
  const [head = "", ...faults] = stderr.trimEnd().split("\n");
  t.equal(head, `keyswitch bot: the configuration has ${faults.length} faults:`);
  t.same(faults.map((line) => line.trim().split(" ")[0]).sort(), [
    "ALLOWED_USERS",
    "ALLOWED_USERS",
    "CRYPTO_STORE_PATH",
    "KEYCLOAK_CLIENT_ID",
    "KEYCLOAK_REALM",
    "KEYCLOAK_URL",
    "KUBECONFIG",
    "LISTEN_HOST",
    "MATRIX_HOMESERVER",
    "MATRIX_PASSWORD_FILE",
    "TRUSTED_IDENTITIES",
  ]);
  t.notMatch(stderr, secret);
  t.equal(lines.length, 0);
});

t.test("conntest with faults does the same, and takes arguments", async (t) => {
  const main = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [main, "conntest", ...args], { env: faulty, encoding: "utf8" });
  const faults = run();
  t.equal(faults.status, 1);
  t.match(faults.stdout, /MATRIX_HOMESERVER must not hold credentials/);
  t.notMatch(faults.stdout + faults.stderr, secret);
  const help = run("--help");
  t.equal(help.status, 0);
  t.match(help.stdout, /--login-type/);
  t.equal(run("--no-such-option").status, 1);
});

t.test("a bot that starts shows its configuration in its log, and no secret", async (t) => {
  const folder = t.testdir({ password: secret });
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(
    kubeconfig,
    `{current-context: a, clusters: [{name: a, cluster: {server: "http://127.0.0.1:1"}}], contexts: [{name: a, context: {cluster: a}}]}`,
  );
  const bot = startProcess(t, "bot", {
    // Nobody listens there: the bot gets no further than its start.
    MATRIX_HOMESERVER: "http://127.0.0.1:1",
    MATRIX_USER: "bot",
    MATRIX_PASSWORD_FILE: join(folder, "password"),
    KEYCLOAK_CLIENT_SECRET: secret,
    ALLOWED_USERS: "@alice:example.org",
    CRYPTO_STORE_PATH: join(folder, "store"),
    KUBECONFIG: kubeconfig,
    LISTEN_PORT: "0",
  });
  t.match(await bot.logged("starting"), { role: "bot", level: "info" });
  t.match(await bot.logged(/^KEYCLOAK_CLIENT_SECRET /), { msg: /\| set +\| set$/ });
  t.match(await bot.logged(/^KUBECONFIG /), { msg: `| ${kubeconfig} ` });
  t.notMatch(JSON.stringify(bot.lines), secret);
});
