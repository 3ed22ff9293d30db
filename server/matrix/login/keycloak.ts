// SPDX-License-Identifier: Apache-2.0
// Requests an access token for a user from Keycloak with name and password: RFC 6749, section 4.3 ("direct access grants"
// there).
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type KeycloakConfig, localpartOf } from "../../config/matrix.ts";
import type { Secret } from "../../config/secret.ts";
import { jsonOf } from "../../json.ts";
import { failure, LOG_IN_TIMEOUT_MS, type LogInDeps, type LogInFailure } from "./outcome.ts";

const TokenAnswer = Type.Object({
  access_token: Type.String({ minLength: 1 }),
  expires_in: Type.Optional(Type.Number()),
});

/** RFC 6749, section 5.2 */
const TokenError = Type.Object({ error: Type.String() });

export type KeycloakAccessToken = { ok: true; accessToken: string } | LogInFailure;

/** `{url}/realms/{realm}`: the realm's address, and its tokens' issuer unless Keycloak has another host name set. */
export const realmUrl = ({ url, realm }: KeycloakConfig): string =>
  `${url}/realms/${encodeURIComponent(realm)}`;

export const requestToken = async (
  keycloak: KeycloakConfig,
  user: { name: string; password: Secret },
  deps: LogInDeps,
): Promise<KeycloakAccessToken> => {
  const reply = await deps.exchange.send({
    method: "POST",
    url: new URL(`${realmUrl(keycloak)}/protocol/openid-connect/token`),
    headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({
      grant_type: "password",
      client_id: keycloak.clientId,
      ...(keycloak.clientSecret !== undefined && { client_secret: keycloak.clientSecret.reveal() }),
      username: localpartOf(user.name),
      password: user.password.reveal(),
      scope: "openid",
    }).toString(),
    timeoutMs: LOG_IN_TIMEOUT_MS,
    ...(deps.signal !== undefined && { signal: deps.signal }),
    // It makes nothing that stays.
    repeatable: true,
  });
  if (!reply.ok) {
    return failure("keycloak", `Keycloak ${reply.what}. Check KEYCLOAK_URL, and whether Keycloak runs.`, {
      retry: reply.kind !== "refused",
    });
  }
  const body = jsonOf(reply.body);
  if (reply.status !== 200) {
    return refusalOf(reply.status, Value.Check(TokenError, body) ? body.error : undefined, keycloak, user);
  }
  if (!Value.Check(TokenAnswer, body)) {
    return failure("keycloak", "Keycloak answered something that is not a token. Check KEYCLOAK_URL.");
  }
  deps.onStep?.({
    step: "keycloak-token",
    ...(body.expires_in !== undefined && { expiresInSeconds: body.expires_in }),
  });
  return { ok: true, accessToken: body.access_token };
};

/** Told apart by the status and the error code; the descriptions differ between versions of Keycloak. */
const refusalOf = (
  status: number,
  error: string | undefined,
  keycloak: KeycloakConfig,
  user: { name: string; password: Secret },
): LogInFailure => {
  const { clientId, clientSecret } = keycloak;
  const secret = clientSecret?.source ?? "KEYCLOAK_CLIENT_SECRET (not set)";
  if (status >= 500 || status === 429) {
    return failure("keycloak", `Keycloak answered ${status}. Look into its log.`, { retry: true });
  }
  if (status === 404) {
    return failure(
      "keycloak",
      `Keycloak has no realm ${keycloak.realm} at ${keycloak.url}. Check KEYCLOAK_REALM and KEYCLOAK_URL; ` +
        "some installations need /auth at its end.",
    );
  }
  if (error === "invalid_grant" && status === 401) {
    return failure(
      "keycloak",
      `Keycloak refused the user name ${localpartOf(user.name)} or its password. ` +
        `Check MATRIX_USER and ${user.password.source}.`,
    );
  }
  if (error === "invalid_grant") {
    return failure(
      "keycloak",
      `Keycloak's account ${localpartOf(user.name)} is disabled or not fully set up. ` +
        "Enable it, take away its required actions, and make its password not temporary.",
    );
  }
  if (error === "unauthorized_client" && status === 400) {
    return failure(
      "keycloak",
      `Keycloak's client ${clientId} may not use passwords. Switch on "Direct access grants" for it.`,
    );
  }
  if (error === "invalid_client" || error === "unauthorized_client") {
    return failure(
      "keycloak",
      `Keycloak does not know the client ${clientId} or refused its secret. Check KEYCLOAK_CLIENT_ID and ${secret}.`,
    );
  }
  if (error === "invalid_scope") {
    return failure("keycloak", `Keycloak's client ${clientId} may not ask for the scope openid. Assign it.`);
  }
  return failure(
    "keycloak",
    `Keycloak refused to give a token (${status}). Look into the events of its realm.`,
  );
};
