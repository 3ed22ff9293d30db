// SPDX-License-Identifier: Apache-2.0
// Makes a request that the homeserver may want the account's password for, by user-interactive authentication.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { HomeserverRequests } from "./homeserver-requests.ts";

/** https://spec.matrix.org/latest/client-server-api/#user-interactive-authentication-api */
const Challenge = Type.Object({
  session: Type.Optional(Type.String()),
  flows: Type.Array(Type.Object({ stages: Type.Array(Type.String()) })),
});

/** `password-needed`: the homeserver wants a password and has not got the right one, or wants something else. */
export type AuthenticatedResult = "done" | "password-needed" | "unavailable";

export type PasswordOwner = {
  /** Full id. */
  readonly user: string;
  /** At the homeserver itself; undefined where the account has none that the bot knows. */
  readonly password: string | undefined;
};

/** The password is sent only where the homeserver asks for it. */
export const requestWithPassword = async (
  request: HomeserverRequests,
  path: string,
  body: object,
  { user, password }: PasswordOwner,
): Promise<AuthenticatedResult> => {
  const send = (auth?: object) => request("POST", path, { ...body, ...(auth !== undefined && { auth }) });
  const first = await send();
  if (first.status === 200) return "done";
  if (first.status !== 401 || !Value.Check(Challenge, first.body)) return "unavailable";
  const { session, flows } = first.body;
  const takesPassword = flows.some(({ stages }) => stages.length === 1 && stages[0] === "m.login.password");
  if (password === undefined || !takesPassword) return "password-needed";
  const second = await send({
    type: "m.login.password",
    identifier: { type: "m.id.user", user },
    password,
    ...(session !== undefined && { session }),
  });
  if (second.status === 200) return "done";
  return second.status === 401 || second.status === 403 ? "password-needed" : "unavailable";
};
