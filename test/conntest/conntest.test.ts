// SPDX-License-Identifier: Apache-2.0
// Tests conntest on a real Synapse: the exit code of each outcome, an output without secrets, and no device left behind.
import { randomBytes } from "node:crypto";
import t from "tap";
import { freePort } from "../../scripts/local/free-port.ts";
import { runConntest } from "../../server/conntest/main.ts";
import { startKeycloak } from "../doubles/keycloak/keycloak.ts";
import { devicesOf } from "../matrix/login/devices.ts";
import { guideClients, synapseOfGuide, withAudience } from "../matrix/login/guide.ts";

const secret = () => randomBytes(18).toString("base64url");
const password = secret();
const clientSecret = secret();
const wrong = secret();

t.test("with Keycloak and a homeserver", async (t) => {
  const port = await freePort();
  const keycloak = await startKeycloak(t, {
    users: [
      { name: "bot", password },
      { name: "idbot", password, sub: "idbot" },
      { name: "otp", password, otp: true },
    ],
    clients: guideClients(clientSecret, port),
  });
  keycloak.mapClaims = withAudience;
  const synapse = await synapseOfGuide(t, keycloak, port);
  if (synapse === undefined) return;

  /** Runs it, and looks through all that it printed for secrets. */
  const run = async (args: string[], env: Record<string, string>) => {
    const written = { out: [] as string[], err: [] as string[] };
    const code = await runConntest(args, env, {
      stdout: (text) => void written.out.push(text),
      stderr: (text) => void written.err.push(text),
    });
    const [out, err] = [written.out.join(""), written.err.join("")];
    const printed = `${out}${err}`;
    const secrets = [password, clientSecret, wrong, ...keycloak.given];
    // A token's signature and the whole of it must be absent, and Synapse's access and login tokens (syt_…, syl_…).
    const signatures = keycloak.given.map((token) => token.split(".")[2] ?? token);
    const told = [...secrets, ...signatures].filter((one) => printed.includes(one)).length;
    return { code, out, err, clean: told === 0 && !/sy[a-z]_[A-Za-z0-9]/.test(printed) };
  };

  const local = await synapse.registerUser("bot", { password });
  await synapse.registerUser("idbot");
  const base = { MATRIX_HOMESERVER: synapse.baseUrl, MATRIX_USER: "bot", MATRIX_PASSWORD: password };
  const full = {
    ...base,
    KEYCLOAK_URL: keycloak.url,
    KEYCLOAK_REALM: keycloak.realm,
    KEYCLOAK_CLIENT_ID: "keyswitch",
    KEYCLOAK_CLIENT_SECRET: clientSecret,
  };
  const jwt = { ...full, AUTH_METHOD: "jwt" };
  const cases: [
    sentence: string,
    args: string[],
    env: Record<string, string>,
    code: number,
    output: RegExp,
  ][] = [
    [
      "password",
      [],
      base,
      0,
      /Matrix log-in: @bot:keyswitch\.test, device \S+\nWho am I: @bot:keyswitch\.test\nLog-out: the device is removed\nPASSED/,
    ],
    [
      "jwt with the default type",
      [],
      jwt,
      0,
      /Keycloak token: received, valid for 300 s\nJWT header\n {2}alg: "RS256"[\s\S]*JWT claims\n {2}iss: [\s\S]*preferred_username: "bot"[\s\S]*PASSED/,
    ],
    [
      "-m and -t replace the variables",
      ["-m", "jwt", "-t", "org.matrix.login.jwt"],
      full,
      0,
      /AUTH_METHOD +\| jwt[\s\S]*JWT_LOGIN_TYPE +\| org\.matrix\.login\.jwt[\s\S]*PASSED/,
    ],
    [
      "the long options",
      ["--auth-method=jwt", "--login-type", "com.famedly.login.token"],
      { ...full, MATRIX_USER: "idbot", KEYCLOAK_CLIENT_ID: "keyswitch-hs512" },
      0,
      /PASSED/,
    ],
    ["-s leaves the claims out", ["-s"], jwt, 0, /Keycloak token: received[^J]*Matrix log-in/],
    [
      "-s lets the homeserver judge",
      ["-s", "-t", "com.famedly.login.token"],
      jwt,
      4,
      /FAILED \(matrix\): The homeserver refused Keycloak's token/,
    ],
    [
      "-v shows all claims and the requests",
      ["-v"],
      jwt,
      0,
      /> POST http:\S+\/token: 200[\s\S]*jti: [\s\S]*> POST http:\S+\/v3\/login: 200/,
    ],
    [
      "-v does not show a sign-on's codes",
      ["-v", "-m", "sso"],
      base,
      0,
      /> GET http:\S+\/oidc\/callback: (200|302)\n[\s\S]*PASSED/,
    ],
    ["sso", ["-m", "sso"], base, 0, /Single sign-on: name and password sent to http[\s\S]*PASSED/],
    ["-h", ["-h"], {}, 0, /^usage: node main\.js conntest/],
    ["no configuration", [], {}, 1, /FAILED: MATRIX_USER is required\n {2}FAILED: MATRIX_PASSWORD or/],
    ["a method that is not known", ["-m", "magic"], base, 1, /FAILED: AUTH_METHOD must be one of/],
    ["an option that is not known", ["--frob"], base, 1, /an option that is not known[\s\S]*usage:/],
    ["an option without its value", ["-m"], base, 1, /lacks its value[\s\S]*usage:/],
    ["a word too many", ["password"], base, 1, /only options are taken/],
    [
      "a wrong password at Keycloak",
      [],
      { ...jwt, MATRIX_PASSWORD: wrong },
      2,
      /FAILED \(keycloak\): Keycloak refused the user name/,
    ],
    [
      "a wrong client secret",
      [],
      { ...jwt, KEYCLOAK_CLIENT_SECRET: wrong },
      2,
      /FAILED \(keycloak\).*KEYCLOAK_CLIENT_SECRET/,
    ],
    [
      "Keycloak down",
      [],
      { ...jwt, KEYCLOAK_URL: "http://127.0.0.1:1" },
      2,
      /Keycloak refused the connection[\s\S]*Trying again later may help/,
    ],
    [
      "a second factor",
      ["-m", "sso"],
      { ...base, MATRIX_USER: "otp" },
      2,
      /FAILED \(keycloak\).*asks for more/,
    ],
    [
      "a token whose sub is not the user",
      ["-t", "com.famedly.login.token"],
      jwt,
      3,
      /FAILED \(jwt\): The sub claim/,
    ],
    ["a wrong password at the homeserver", [], { ...base, MATRIX_PASSWORD: wrong }, 4, /FAILED \(matrix\)/],
    [
      "the homeserver down",
      [],
      { ...base, MATRIX_HOMESERVER: "http://127.0.0.1:1" },
      4,
      /The homeserver refused the connection/,
    ],
  ];
  for (const [sentence, args, env, code, output] of cases) {
    t.test(`${sentence}: exit code ${code}`, async (t) => {
      const userId = `@${env.MATRIX_USER ?? "bot"}:keyswitch.test`;
      const before = env.MATRIX_USER === "otp" ? [] : await devicesOf(synapse, userId);
      const result = await run(args, env);
      t.equal(result.code, code, result.out);
      t.match(`${result.out}${result.err}`, output);
      t.ok(result.clean, "no secret is printed");
      if (env.MATRIX_USER !== "otp") t.same(await devicesOf(synapse, userId), before);
    });
  }

  t.test("claims come from Keycloak, so their control characters are not printed", async (t) => {
    keycloak.mapClaims = (claims) => ({
      ...withAudience(claims),
      evil: "\u001b[2J\u009b\u202e",
      "a\nPASSED": 1,
    });
    t.teardown(() => {
      keycloak.mapClaims = withAudience;
    });
    const { out } = await run(["-v"], jwt);
    t.match(out, /evil: "/);
    t.notMatch(out, /[[\p{Cf}\p{Cc}]--\n]/v);
    t.equal(out.split("\n").filter((line) => line.startsWith("PASSED")).length, 1);
  });

  t.test("a token of the configuration still serves afterwards", async (t) => {
    const login = await fetch(`${synapse.baseUrl}/_matrix/client/v3/login`, {
      method: "POST",
      body: JSON.stringify({
        type: "m.login.password",
        identifier: { type: "m.id.user", user: "bot" },
        password: local.password,
      }),
    });
    const { access_token: token } = (await login.json()) as { access_token: string };
    const env = { MATRIX_HOMESERVER: synapse.baseUrl, AUTH_METHOD: "token", MATRIX_ACCESS_TOKEN: token };
    for (const _ of [1, 2]) {
      const { code, out, clean } = await run([], env);
      t.equal(code, 0, out);
      t.match(out, /Log-out: left out/);
      t.ok(clean);
    }
    t.match(await run([], { ...env, MATRIX_ACCESS_TOKEN: wrong }), { code: 4, clean: true });
  });
});
