// SPDX-License-Identifier: Apache-2.0
// Logs in to the homeserver by the method of AUTH_METHOD, and checks that the session is of the expected user.
import type { MatrixConfig } from "../../config/matrix.ts";
import {
  type DeviceOptions,
  failure,
  LOG_IN_TIMEOUT_MS,
  type LogInDeps,
  type LogInOutcome,
} from "./outcome.ts";
import { logInWithPassword } from "./password.ts";
import { logInWithToken } from "./token.ts";

export type LogInOptions = DeviceOptions & {
  /** With jwt: the token is sent without a look into it. */
  skipDecode?: boolean;
};

/** Never throws for what a network, a provider or the homeserver does. A session that is not to be used is logged out. */
export const logIn = async (
  config: MatrixConfig,
  deps: LogInDeps,
  options: LogInOptions = {},
): Promise<LogInOutcome> => {
  const { auth } = config;
  const outcome = await byMethod(auth, deps, options);
  if (!outcome.ok || auth.user === undefined) return outcome;
  const { userId } = outcome.session;
  // A localpart alone can't be held against the id: providers may map names.
  if (!auth.user.startsWith("@") || auth.user === userId) return outcome;
  if (auth.method !== "token") await logOut(deps, outcome.session.accessToken);
  return failure(
    "matrix",
    `The homeserver logged in ${userId}, which is not MATRIX_USER. Correct MATRIX_USER, or the account that it is mapped to.`,
  );
};

/** What a method needs is loaded when it is used: most bots never read a JWT or a log-in page. */
const byMethod = async (
  auth: MatrixConfig["auth"],
  deps: LogInDeps,
  options: LogInOptions,
): Promise<LogInOutcome> => {
  switch (auth.method) {
    case "password":
      return logInWithPassword(auth, deps, options);
    case "jwt":
      return (await import("./jwt.ts")).logInWithJwt(auth, deps, options);
    case "sso":
      return (await import("./sso.ts")).logInWithSso(auth, deps, options);
    case "token":
      return logInWithToken(auth, deps);
  }
};

/** Ends a session and removes its device. Whether that worked, or the session was not there any more. */
export const logOut = async (deps: LogInDeps, accessToken: string): Promise<boolean> => {
  const answer = await deps.http.request({
    method: "POST",
    path: "/_matrix/client/v3/logout",
    body: {},
    accessToken,
    timeoutMs: LOG_IN_TIMEOUT_MS,
    repeatable: true,
  });
  return answer.ok || (answer.kind === "matrix" && answer.errcode === "M_UNKNOWN_TOKEN");
};
