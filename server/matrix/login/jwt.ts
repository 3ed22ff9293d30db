// SPDX-License-Identifier: Apache-2.0
// Logs in with a JWT from Keycloak, as one of three login types, after checking that its claims can serve.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { localpartOf, type MatrixAuth } from "../../config/matrix.ts";
import { realmUrl, requestToken } from "./keycloak.ts";
import { postLogin } from "./matrix-login.ts";
import {
  type DeviceOptions,
  failure,
  type LogInDeps,
  type LogInFailure,
  type LogInOutcome,
} from "./outcome.ts";

type JwtAuth = Extract<MatrixAuth, { method: "jwt" }>;

const Claims = Type.Record(Type.String(), Type.Unknown());
type Claims = Static<typeof Claims>;

/** Clocks of two machines may differ by this. */
const LEEWAY_SECONDS = 60;

/**
 * @param skipDecode the token is sent without a look into it
 */
export const logInWithJwt = async (
  auth: JwtAuth,
  deps: LogInDeps,
  device: DeviceOptions & { skipDecode?: boolean },
): Promise<LogInOutcome> => {
  const answer = await requestToken(auth.keycloak, { name: auth.user, password: auth.password }, deps);
  if (!answer.ok) return answer;
  const { accessToken: jwt } = answer;
  const fault = device.skipDecode === true ? undefined : checkToken(jwt, auth, deps);
  if (fault !== undefined) return fault;
  const { loginType } = auth;
  return postLogin(
    deps,
    {
      body: {
        type: loginType,
        token: jwt,
        // The module's types name the user beside the token; Synapse's own takes it from a claim.
        ...(loginType !== "org.matrix.login.jwt" && { identifier: { type: "m.id.user", user: auth.user } }),
      },
      forbidden: `The homeserver refused Keycloak's token. ${advice[loginType]}`,
    },
    device,
  );
};

const advice: Readonly<Record<JwtAuth["loginType"], string>> = {
  "org.matrix.login.jwt":
    "Check Synapse's jwt_config: the realm's key, the algorithm, issuer, audiences and subject_claim. Its log says which failed.",
  "com.famedly.login.token":
    "Check the module's jwt section (secret, algorithm), that the user exists or allow_registration is on, " +
    "and that MATRIX_USER is the sub claim. Synapse's log says which failed.",
  "com.famedly.login.token.oauth":
    "Check the module's oauth section (jwks_endpoint, validator, username_type, localpart_path), " +
    "and that the user exists or registration_enabled is on. Synapse's log says which failed.",
};

/** Whether the token's claims can serve; its signature is the homeserver's to check. */
const checkToken = (jwt: string, auth: JwtAuth, deps: LogInDeps): LogInFailure | undefined => {
  const decoded = decode(jwt);
  if (decoded === undefined) {
    return failure(
      "jwt",
      "Keycloak's access token is not a JWT. Its client must give signed JWTs (the default); remove what changes that.",
    );
  }
  const { header, claims } = decoded;
  deps.onStep?.({ step: "jwt", header, claims, notes: notesOn(claims, auth) });
  return timeFault(claims, deps.now() / 1000) ?? identityFault(claims, auth);
};

/** What is worth a look, and may be meant. */
const notesOn = (claims: Claims, auth: JwtAuth): string[] => {
  const notes: string[] = [];
  const issuer = realmUrl(auth.keycloak);
  if (typeof claims.iss === "string" && claims.iss !== issuer) {
    notes.push(
      `The issuer is ${JSON.stringify(claims.iss)}, not ${issuer}: the homeserver must expect the former.`,
    );
  }
  const name = localpartOf(auth.user);
  if (typeof claims.preferred_username === "string" && !sameName(claims.preferred_username, name)) {
    notes.push(`preferred_username is ${JSON.stringify(claims.preferred_username)}, not ${name}.`);
  }
  return notes;
};

const timeFault = (claims: Claims, nowSeconds: number): LogInFailure | undefined => {
  if (typeof claims.exp !== "number") {
    return failure("jwt", "Keycloak's token has no expiry (exp). Remove the mapper that hides it.");
  }
  if (claims.exp + LEEWAY_SECONDS < nowSeconds) {
    return failure(
      "jwt",
      "Keycloak's token has already expired. Set the clocks of this machine and of Keycloak right.",
      {
        retry: true,
      },
    );
  }
  return undefined;
};

/** Of the issuer, and of the user that the login type reads from the token. */
const identityFault = (claims: Claims, auth: JwtAuth): LogInFailure | undefined => {
  if (typeof claims.iss !== "string") {
    return failure("jwt", "Keycloak's token has no issuer (iss). Remove the mapper that hides it.");
  }
  if (auth.loginType === "com.famedly.login.token") {
    const name = localpartOf(auth.user);
    if (typeof claims.sub === "string" && (claims.sub === auth.user || claims.sub === name)) return undefined;
    return failure(
      "jwt",
      "The sub claim of Keycloak's token is not MATRIX_USER, which com.famedly.login.token needs. " +
        "Map the user name to sub in Keycloak's client, or set JWT_LOGIN_TYPE to com.famedly.login.token.oauth.",
    );
  }
  if (typeof claims.preferred_username !== "string" || claims.preferred_username === "") {
    return failure(
      "jwt",
      "Keycloak's token has no preferred_username. Assign the client scope profile to Keycloak's client.",
    );
  }
  return undefined;
};

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const decode = (jwt: string): { header: Claims; claims: Claims } | undefined => {
  try {
    const header: unknown = decodeProtectedHeader(jwt);
    const claims: unknown = decodeJwt(jwt);
    return Value.Check(Claims, header) && Value.Check(Claims, claims) ? { header, claims } : undefined;
  } catch {
    return undefined;
  }
};
