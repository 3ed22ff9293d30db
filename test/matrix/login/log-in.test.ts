// SPDX-License-Identifier: Apache-2.0
// Tests each log-in method against a real Synapse that is set up as the guide says.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { parseMatrixConfig } from "../../../server/config/matrix.ts";
import { logIn, logOut } from "../../../server/matrix/login/log-in.ts";
import { whoAmI } from "../../../server/matrix/login/token.ts";
import { openDeps } from "./deps.ts";
import { devicesOf } from "./devices.ts";
import { attempt, gather, secret } from "./login-fixture.ts";

t.test("with Keycloak and a homeserver", async (t) => {
  const { synapse, base, jwt, sso, localPassword } = await gather(t);
  if (synapse === undefined) return;
  const works: [sentence: string, env: Record<string, string>, userId: string][] = [
    ["password, with a localpart", { ...base, MATRIX_PASSWORD: localPassword }, "@bot:keyswitch.test"],
    [
      "password, with a full id",
      { ...base, MATRIX_USER: "@bot:keyswitch.test", MATRIX_PASSWORD: localPassword },
      "@bot:keyswitch.test",
    ],
    ["jwt as Synapse's own type", { ...jwt, JWT_LOGIN_TYPE: "org.matrix.login.jwt" }, "@bot:keyswitch.test"],
    [
      "jwt as Synapse's own type makes an account",
      { ...jwt, JWT_LOGIN_TYPE: "org.matrix.login.jwt", MATRIX_USER: "stranger" },
      "@stranger:keyswitch.test",
    ],
    ["jwt as the module's oauth type, the default", jwt, "@bot:keyswitch.test"],
    [
      "jwt as the module's oauth type, with a full id",
      { ...jwt, MATRIX_USER: "@bot:keyswitch.test" },
      "@bot:keyswitch.test",
    ],
    [
      "jwt as the module's plain type",
      {
        ...jwt,
        JWT_LOGIN_TYPE: "com.famedly.login.token",
        MATRIX_USER: "idbot",
        KEYCLOAK_CLIENT_ID: "keyswitch-hs512",
      },
      "@idbot:keyswitch.test",
    ],
    ["sso, the provider named as in Synapse's configuration", sso, "@bot:keyswitch.test"],
    [
      "sso, the provider named as Synapse names it",
      { ...sso, SSO_IDP_ID: "oidc-keycloak" },
      "@bot:keyswitch.test",
    ],
  ];
  for (const [sentence, env, userId] of works) {
    t.test(`logs in: ${sentence}`, async (t) => {
      const first = await attempt(t, env);
      if (!first.ok) return t.fail(first.reason);
      t.equal(first.session.userId, userId);
      const again = await attempt(t, env, first.session.deviceId);
      if (!again.ok) return t.fail(again.reason);
      t.equal(again.session.deviceId, first.session.deviceId, "the same device goes on");
      t.not(again.session.accessToken, first.session.accessToken);
      const deps = openDeps(t, { homeserver: synapse.baseUrl });
      const owner = await whoAmI(deps, again.session.accessToken);
      t.match(owner, { ok: true, userId, deviceId: first.session.deviceId });
      t.ok((await devicesOf(synapse, userId)).includes(first.session.deviceId));
      t.ok(await logOut(deps, again.session.accessToken));
      t.notOk((await devicesOf(synapse, userId)).includes(first.session.deviceId));
    });
  }

  t.test("a token is taken as it is, with its user and device", async (t) => {
    const made = await attempt(t, { ...base, MATRIX_PASSWORD: localPassword });
    if (!made.ok) return t.fail(made.reason);
    const { accessToken } = made.session;
    const token = {
      MATRIX_HOMESERVER: synapse.baseUrl,
      AUTH_METHOD: "token",
      MATRIX_ACCESS_TOKEN: accessToken,
    };
    t.same(await attempt(t, token), made);
    const other = await attempt(t, { ...token, MATRIX_USER: "@alice:keyswitch.test" });
    t.match(other, {
      ok: false,
      stage: "matrix",
      retry: false,
      reason: /@bot:keyswitch\.test, which is not MATRIX_USER/,
    });
    t.same(await attempt(t, token), made, "it was not logged out by that");
  });

  t.test("a token file is read again, so that a replaced token serves", async (t) => {
    const made = await attempt(t, { ...base, MATRIX_PASSWORD: localPassword });
    if (!made.ok) return t.fail(made.reason);
    const file = join(t.testdir({ token: `${secret()}\n` }), "token");
    const parsed = parseMatrixConfig({ ...base, AUTH_METHOD: "token", MATRIX_ACCESS_TOKEN_FILE: file });
    if (!parsed.ok) return t.fail("configuration");
    const deps = openDeps(t, parsed.config);
    const refused = await logIn(parsed.config, deps);
    t.match(refused, {
      ok: false,
      stage: "matrix",
      retry: false,
      reason: /does not accept the access token/,
    });
    t.match(refused, { reason: new RegExp(file) }, "it says which file");
    writeFileSync(file, `${made.session.accessToken}\n`);
    t.same(await logIn(parsed.config, deps), made);
  });

  t.test("a token without a device is refused: it can't encrypt", async (t) => {
    const { body } = await synapse.admin("POST", "v1/users/@bot:keyswitch.test/login", {});
    if (!Value.Check(Type.Object({ access_token: Type.String() }), body)) return t.fail("no token");
    const outcome = await attempt(t, {
      ...base,
      AUTH_METHOD: "token",
      MATRIX_ACCESS_TOKEN: body.access_token,
    });
    t.match(outcome, { ok: false, stage: "matrix", retry: false, reason: /belongs to no device/ });
  });
});
