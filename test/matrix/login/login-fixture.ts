// SPDX-License-Identifier: Apache-2.0
// Sets up the servers of a log-in for a test file: a Keycloak double with users of each kind, and a Synapse that trusts it.
import { randomBytes } from "node:crypto";
import type { Test } from "tap";
import { freePort } from "../../../scripts/local/free-port.ts";
import { parseMatrixConfig } from "../../../server/config/matrix.ts";
import { logIn } from "../../../server/matrix/login/log-in.ts";
import type { LogInOutcome } from "../../../server/matrix/login/outcome.ts";
import { startKeycloak } from "../../doubles/keycloak/keycloak.ts";
import { openDeps } from "./deps.ts";
import { guideClients, synapseOfGuide, withAudience } from "./guide.ts";

export const secret = () => randomBytes(18).toString("base64url");

/** Logs in with the variables of `env`. */
export const attempt = async (
  t: Test,
  env: Record<string, string>,
  deviceId?: string,
): Promise<LogInOutcome> => {
  const parsed = parseMatrixConfig(env);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const deps = openDeps(t, parsed.config);
  return logIn(parsed.config, deps, { ...(deviceId !== undefined && { deviceId }), displayName: "Test" });
};

/** `synapse` is undefined where there is none; its users are `bot` and `idbot`. */
export const gather = async (t: Test) => {
  const botPassword = secret();
  const clientSecret = secret();
  const port = await freePort();
  const keycloak = await startKeycloak(t, {
    users: [
      { name: "bot", password: botPassword },
      { name: "idbot", password: botPassword, sub: "idbot" },
      { name: "otp", password: botPassword, otp: true },
      { name: "fresh", password: botPassword, mustChangePassword: true },
      { name: "gone", password: botPassword, enabled: false },
      { name: "stranger", password: botPassword },
    ],
    clients: [...guideClients(clientSecret, port), { id: "closed", directAccessGrants: false }],
  });
  keycloak.mapClaims = withAudience;
  const synapse = await synapseOfGuide(t, keycloak, port);
  const localPassword = (await synapse?.registerUser("bot"))?.password ?? secret();
  await synapse?.registerUser("idbot");
  const base = { MATRIX_HOMESERVER: `http://127.0.0.1:${port}`, MATRIX_USER: "bot" };
  const jwt = {
    ...base,
    MATRIX_PASSWORD: botPassword,
    AUTH_METHOD: "jwt",
    KEYCLOAK_URL: keycloak.url,
    KEYCLOAK_REALM: keycloak.realm,
    KEYCLOAK_CLIENT_ID: "keyswitch",
    KEYCLOAK_CLIENT_SECRET: clientSecret,
  };
  const sso = { ...base, MATRIX_PASSWORD: botPassword, AUTH_METHOD: "sso" };
  return { keycloak, synapse, localPassword, base, jwt, sso };
};
