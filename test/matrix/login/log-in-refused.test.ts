// SPDX-License-Identifier: Apache-2.0
// Tests refused log-ins with a real Synapse and the Keycloak double: which stage fails, and what to do about it.
import t from "tap";
import { postLogin } from "../../../server/matrix/login/matrix-login.ts";
import { openDeps } from "./deps.ts";
import { devicesOf } from "./devices.ts";
import { withAudience } from "./guide.ts";
import { attempt, gather, secret } from "./login-fixture.ts";

const answers: [sentence: string, status: number, body: string, reason: RegExp, retry: boolean][] = [
  ["an error of its own", 500, '{"error":"unknown_error"}', /Keycloak answered 500/, true],
  ["a proxy's page", 502, "<html>bad gateway</html>", /Keycloak answered 502/, true],
  ["a page instead of a token", 200, "<html>log in</html>", /not a token/, false],
  ["JSON that is no token", 200, '{"hello":"world"}', /not a token/, false],
  ["an opaque token", 200, '{"access_token":"opaque"}', /not a JWT/, false],
  ["an error that is not known", 400, '{"error":"slow_down"}', /refused to give a token \(400\)/, false],
];

t.test("with Keycloak and a homeserver", async (t) => {
  const { keycloak, synapse, base, jwt, sso } = await gather(t);
  for (const [sentence, status, body, reason, retry] of answers) {
    t.test(`Keycloak answers ${sentence}`, async (t) => {
      keycloak.canned = { status, body };
      t.teardown(() => {
        keycloak.canned = undefined;
      });
      const outcome = await attempt(t, { ...jwt, MATRIX_HOMESERVER: "http://127.0.0.1:1" });
      t.match(outcome, { ok: false, reason, retry });
    });
  }
  if (synapse === undefined) return;
  const unmapped = (claims: Record<string, unknown>) => ({ ...claims, aud: "account" });
  const refusals: [
    sentence: string,
    env: Record<string, string>,
    stage: string,
    reason: RegExp,
    mapClaims?: (claims: Record<string, unknown>) => Record<string, unknown>,
  ][] = [
    [
      "a wrong password",
      { ...base, MATRIX_PASSWORD: secret() },
      "matrix",
      /refused the user name or the password/,
    ],
    [
      "a user who is not there",
      { ...base, MATRIX_USER: "nobody", MATRIX_PASSWORD: secret() },
      "matrix",
      /refused the user name or the password/,
    ],
    [
      "a wrong password at Keycloak",
      { ...jwt, MATRIX_PASSWORD: secret() },
      "keycloak",
      /Keycloak refused the user name bot/,
    ],
    [
      "a user with a second factor",
      { ...jwt, MATRIX_USER: "otp" },
      "keycloak",
      /Keycloak refused the user name otp/,
    ],
    ["a temporary password", { ...jwt, MATRIX_USER: "fresh" }, "keycloak", /disabled or not fully set up/],
    ["a disabled user", { ...jwt, MATRIX_USER: "gone" }, "keycloak", /disabled or not fully set up/],
    ["a realm that is not there", { ...jwt, KEYCLOAK_REALM: "other" }, "keycloak", /has no realm other/],
    [
      "a path that is not Keycloak's",
      { ...jwt, KEYCLOAK_URL: `${keycloak.url}/auth` },
      "keycloak",
      /has no realm matrix/,
    ],
    [
      "a client that is not there",
      { ...jwt, KEYCLOAK_CLIENT_ID: "other" },
      "keycloak",
      /does not know the client other/,
    ],
    [
      "a wrong client secret",
      { ...jwt, KEYCLOAK_CLIENT_SECRET: secret() },
      "keycloak",
      /refused its secret. Check KEYCLOAK_CLIENT_ID and KEYCLOAK_CLIENT_SECRET/,
    ],
    [
      "a client without direct access grants",
      { ...jwt, KEYCLOAK_CLIENT_ID: "closed" },
      "keycloak",
      /may not use passwords/,
    ],
    [
      "Keycloak down",
      { ...jwt, KEYCLOAK_URL: "http://127.0.0.1:1" },
      "keycloak",
      /Keycloak refused the connection/,
    ],
    [
      "the homeserver down",
      { ...base, MATRIX_HOMESERVER: "http://127.0.0.1:1", MATRIX_PASSWORD: secret() },
      "matrix",
      /The homeserver refused the connection/,
    ],
    [
      "a homeserver that is none",
      { ...base, MATRIX_HOMESERVER: keycloak.url, MATRIX_PASSWORD: secret() },
      "matrix",
      /must be the address of a homeserver's client API/,
    ],
    [
      "a sub that is not the user",
      { ...jwt, JWT_LOGIN_TYPE: "com.famedly.login.token" },
      "jwt",
      /The sub claim/,
    ],
    [
      "no preferred_username",
      jwt,
      "jwt",
      /has no preferred_username/,
      (claims) => ({ ...withAudience(claims), preferred_username: undefined }),
    ],
    ["no expiry", jwt, "jwt", /has no expiry/, (claims) => ({ ...claims, exp: undefined })],
    ["no issuer", jwt, "jwt", /has no issuer/, (claims) => ({ ...claims, iss: undefined })],
    ["an expired token", jwt, "jwt", /has already expired/, (claims) => ({ ...claims, exp: 1_000_000_000 })],
    [
      "an audience that Synapse does not accept",
      { ...jwt, JWT_LOGIN_TYPE: "org.matrix.login.jwt" },
      "matrix",
      /refused Keycloak's token/,
      unmapped,
    ],
    [
      "another client's token for the module",
      jwt,
      "matrix",
      /refused Keycloak's token/,
      (claims) => ({ ...withAudience(claims), azp: "other" }),
    ],
    [
      "a user whom the module does not know",
      { ...jwt, MATRIX_USER: "stranger-2" },
      "keycloak",
      /refused the user name/,
    ],
    [
      "a user who is mapped to another",
      { ...jwt, MATRIX_USER: "@bot:keyswitch.test", JWT_LOGIN_TYPE: "org.matrix.login.jwt" },
      "matrix",
      /logged in @other:keyswitch\.test, which is not/,
      (claims) => ({ ...withAudience(claims), preferred_username: "other" }),
    ],
    [
      "sso with a wrong password",
      { ...sso, MATRIX_PASSWORD: secret() },
      "keycloak",
      /The provider refused the user name bot/,
    ],
    [
      "sso with a disabled user",
      { ...sso, MATRIX_USER: "gone" },
      "keycloak",
      /The provider refused the user name gone/,
    ],
    [
      "sso with a second factor",
      { ...sso, MATRIX_USER: "otp" },
      "keycloak",
      /asks for more \(200\): a second factor/,
    ],
    [
      "sso with a required action",
      { ...sso, MATRIX_USER: "fresh" },
      "keycloak",
      /asks for more \(200\): a second factor/,
    ],
    [
      "sso with a provider that is not there",
      { ...sso, SSO_IDP_ID: "other" },
      "matrix",
      /no sign-on with the provider other; it has oidc-keycloak/,
    ],
  ];
  for (const [sentence, env, stage, reason, mapClaims] of refusals) {
    t.test(`says what is wrong with ${sentence}`, async (t) => {
      keycloak.mapClaims = mapClaims ?? withAudience;
      t.teardown(() => {
        keycloak.mapClaims = withAudience;
      });
      const before = keycloak.passwordsTried;
      const outcome = await attempt(t, env);
      t.match(outcome, { ok: false, stage, reason });
      if (!outcome.ok) t.equal(outcome.retry, /down|expired/.test(sentence), "whether trying again can help");
      t.ok(keycloak.passwordsTried <= before + 1, "a password is tried once");
      const { MATRIX_PASSWORD = "", KEYCLOAK_CLIENT_SECRET = secret() } = env;
      const told = JSON.stringify(outcome);
      const hidden = [MATRIX_PASSWORD, KEYCLOAK_CLIENT_SECRET, ...keycloak.given];
      t.notOk(
        hidden.some((one) => told.includes(one)),
        "no secret is told",
      );
    });
  }

  t.test("a user that is refused for being another's leaves no device", async (t) => {
    t.same(await devicesOf(synapse, "@other:keyswitch.test"), []);
  });

  t.test("a login type that the homeserver lacks is told with those that it has", async (t) => {
    const deps = openDeps(t, { homeserver: synapse.baseUrl });
    const outcome = await postLogin(deps, { body: { type: "org.example.unknown" }, forbidden: "" }, {});
    t.match(outcome, {
      ok: false,
      reason: /does not offer the login type org\.example\.unknown; it offers .*org\.matrix\.login\.jwt/,
    });
  });
});
