// SPDX-License-Identifier: Apache-2.0
// Tests the Matrix variables: what each AUTH_METHOD requires, error messages, and that no secret prints.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import t from "tap";
import { localpartOf, parseMatrixConfig } from "../../server/config/matrix.ts";
import { createLogger } from "../../server/log.ts";

const secret = () => randomBytes(12).toString("hex");
const files = t.testdir({
  password: `${secret()}\n`,
  empty: "\n",
  lines: "one\ntwo\n",
  "not-a-ca": "nothing",
});
const at = (name: string) => join(files, name);
const password = secret();
const least = { MATRIX_USER: "bot", MATRIX_PASSWORD: password };
const jwt = {
  ...least,
  AUTH_METHOD: "jwt",
  KEYCLOAK_URL: "https://keycloak.example.org/auth/",
  KEYCLOAK_REALM: "matrix",
  KEYCLOAK_CLIENT_ID: "keyswitch",
};

t.test("the least configuration takes the defaults and is frozen", async (t) => {
  const result = parseMatrixConfig(least);
  if (!result.ok) return t.fail(JSON.stringify(result.faults));
  const { auth } = result.config;
  t.match(result.config, {
    homeserver: "http://synapse.matrix.svc.cluster.local:8008",
    auth: { method: "password", user: "bot" },
    warnings: [],
  });
  t.equal(auth.method === "password" && auth.password.reveal(), password);
  t.ok(Object.isFrozen(auth));
});

t.test("each method takes what it needs", async (t) => {
  t.match(parseMatrixConfig(jwt), {
    ok: true,
    config: {
      auth: {
        method: "jwt",
        loginType: "com.famedly.login.token.oauth",
        keycloak: {
          url: "https://keycloak.example.org/auth",
          realm: "matrix",
          clientId: "keyswitch",
          clientSecret: undefined,
        },
      },
    },
  });
  t.match(parseMatrixConfig({ ...least, AUTH_METHOD: "sso" }), {
    ok: true,
    config: { auth: { method: "sso", user: "bot", idpId: "keycloak" } },
  });
  t.match(parseMatrixConfig({ AUTH_METHOD: "token", MATRIX_ACCESS_TOKEN: secret() }), {
    ok: true,
    config: { auth: { method: "token", user: undefined } },
  });
});

const faults: [sentence: string, env: Record<string, string>, faults: string[]][] = [
  ["nothing is set", {}, ["MATRIX_USER is required", "MATRIX_PASSWORD or MATRIX_PASSWORD_FILE is required"]],
  [
    "nothing that jwt needs is set",
    { AUTH_METHOD: "jwt" },
    [
      "MATRIX_USER is required",
      "MATRIX_PASSWORD or MATRIX_PASSWORD_FILE is required",
      "KEYCLOAK_URL is required",
      "KEYCLOAK_REALM is required",
      "KEYCLOAK_CLIENT_ID is required",
    ],
  ],
  [
    "there is no token",
    { AUTH_METHOD: "token" },
    ["MATRIX_ACCESS_TOKEN or MATRIX_ACCESS_TOKEN_FILE is required"],
  ],
  [
    "a method is not known",
    { ...least, AUTH_METHOD: "magic" },
    ["AUTH_METHOD must be one of password, jwt, sso, token"],
  ],
  [
    "a method that is none, and nothing else",
    { AUTH_METHOD: "magic" },
    [
      "AUTH_METHOD must be one of password, jwt, sso, token",
      "MATRIX_USER is required",
      "MATRIX_PASSWORD or MATRIX_PASSWORD_FILE is required",
    ],
  ],
  [
    "a method that is none, beside a token",
    { AUTH_METHOD: "magic", MATRIX_ACCESS_TOKEN: secret() },
    ["AUTH_METHOD must be one of password, jwt, sso, token"],
  ],
  [
    "a login type is not known",
    { ...jwt, JWT_LOGIN_TYPE: "m.login.password" },
    [
      "JWT_LOGIN_TYPE must be one of com.famedly.login.token.oauth, com.famedly.login.token, org.matrix.login.jwt",
    ],
  ],
  [
    "a secret is given twice",
    { ...least, MATRIX_PASSWORD_FILE: at("password") },
    ["MATRIX_PASSWORD_FILE must not be set beside MATRIX_PASSWORD"],
  ],
  [
    "a client secret is given twice",
    { ...jwt, KEYCLOAK_CLIENT_SECRET: secret(), KEYCLOAK_CLIENT_SECRET_FILE: at("password") },
    ["KEYCLOAK_CLIENT_SECRET_FILE must not be set beside KEYCLOAK_CLIENT_SECRET"],
  ],
  [
    "a secret's file is missing",
    { MATRIX_USER: "bot", MATRIX_PASSWORD_FILE: at("none") },
    [`MATRIX_PASSWORD_FILE ${at("none")} does not exist`],
  ],
  [
    "a secret's file is empty",
    { MATRIX_USER: "bot", MATRIX_PASSWORD_FILE: at("empty") },
    [`MATRIX_PASSWORD_FILE ${at("empty")} is empty`],
  ],
  [
    "a secret's file has two lines",
    { MATRIX_USER: "bot", MATRIX_PASSWORD_FILE: at("lines") },
    [`MATRIX_PASSWORD_FILE ${at("lines")} holds more than one line`],
  ],
  [
    "a user is no name",
    { ...least, MATRIX_USER: "@bot" },
    ["MATRIX_USER must be a Matrix id such as @bot:example.org or its localpart"],
  ],
  [
    "a homeserver is no address",
    { ...least, MATRIX_HOMESERVER: `bot:${password}@x` },
    ["MATRIX_HOMESERVER must be an https:// or http:// address"],
  ],
  [
    "a homeserver has credentials",
    { ...least, MATRIX_HOMESERVER: `https://bot:${password}@x` },
    ["MATRIX_HOMESERVER must not hold credentials"],
  ],
  [
    "Keycloak's address has a query",
    { ...jwt, KEYCLOAK_URL: "https://k/?a=b" },
    ["KEYCLOAK_URL must have no query and no fragment"],
  ],
  ["a realm is a path", { ...jwt, KEYCLOAK_REALM: "a/b" }, ["KEYCLOAK_REALM must be the name of a realm"]],
  [
    "a CA file holds none",
    { ...least, MATRIX_CA_FILE: at("not-a-ca") },
    [`MATRIX_CA_FILE ${at("not-a-ca")} holds no PEM certificate`],
  ],
  [
    "several things are wrong",
    { AUTH_METHOD: "sso", SSO_IDP_ID: "a/b", MATRIX_HOMESERVER: "x" },
    [
      "MATRIX_HOMESERVER must be an https:// or http:// address",
      "MATRIX_USER is required",
      "MATRIX_PASSWORD or MATRIX_PASSWORD_FILE is required",
      "SSO_IDP_ID must be the idp_id of a provider of Synapse",
    ],
  ],
];
for (const [sentence, env, expected] of faults) {
  t.test(`refuses when ${sentence}`, async (t) => {
    const result = parseMatrixConfig(env);
    if (result.ok) return t.fail("it was accepted");
    t.same(
      result.faults.map(({ name, message }) => `${name} ${message}`),
      expected,
    );
    t.notOk(JSON.stringify(result).includes(password));
  });
}

const addresses: [address: string, warned: boolean][] = [
  ["https://matrix.example.org", false],
  ["http://synapse.matrix.svc.cluster.local:8008", false],
  ["http://synapse.matrix.svc:8008", false],
  ["http://synapse:8008", false],
  ["http://127.0.0.1:8008", false],
  ["http://[::1]:8008", false],
  ["http://matrix.example.org", true],
  ["http://10.1.2.3:8008", true],
  ["http://cluster.local.example.org", true],
];
for (const [address, warned] of addresses) {
  t.test(`${address} ${warned ? "gets a warning" : "is fine"}`, async (t) => {
    for (const name of ["MATRIX_HOMESERVER", "KEYCLOAK_URL"]) {
      const result = parseMatrixConfig({ ...jwt, [name]: address });
      if (!result.ok) return t.fail(JSON.stringify(result.faults));
      t.same(result.config.warnings.length, warned ? 1 : 0);
      if (warned) t.match(result.config.warnings[0], new RegExp(`^${name} is http://`));
    }
  });
}

t.test("a secret never prints, in a log or elsewhere", async (t) => {
  const clientSecret = secret();
  const result = parseMatrixConfig({ ...jwt, KEYCLOAK_CLIENT_SECRET: clientSecret });
  if (!result.ok) return t.fail(JSON.stringify(result.faults));
  const lines: string[] = [];
  createLogger({ level: "info", role: "test" }, { write: (line) => void lines.push(line) }).info(
    { config: result.config },
    "starting",
  );
  const { auth } = result.config;
  const printed = [...lines, JSON.stringify(result), inspect(result, { depth: 9, showHidden: true })].join(
    "\n",
  );
  t.match(printed, "[redacted]");
  for (const one of [password, clientSecret]) t.notOk(printed.includes(one));
  t.equal(auth.method === "jwt" && auth.keycloak.clientSecret?.reveal(), clientSecret);
});

t.test(
  "a secret's file is read again at each use; one that broke leaves the former content, and says so",
  async (t) => {
    const path = join(t.testdir({ file: "first\n" }), "file");
    const result = parseMatrixConfig({ MATRIX_USER: "bot", MATRIX_PASSWORD_FILE: path });
    if (!result.ok || result.config.auth.method !== "password") return t.fail("configuration");
    const { password } = result.config.auth;
    t.equal(password.reveal(), "first");
    writeFileSync(path, " second \r\n");
    t.equal(password.reveal(), " second ", "only the line break is left out");
    writeFileSync(path, "");
    t.equal(password.reveal(), " second ");
    t.match(password.fault(), /is empty; the former content stays in use/);
    writeFileSync(path, "third");
    t.equal(password.reveal(), "third");
    t.equal(password.fault(), undefined);
  },
);

t.test("a localpart is what stands before the colon", async (t) => {
  t.equal(localpartOf("@bot:example.org"), "bot");
  t.equal(localpartOf("bot"), "bot");
});
