// SPDX-License-Identifier: Apache-2.0
// Logs a bot in: gives its user, its device and its access token, which in production the session gives.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { request } from "undici";
import { ANSWER_LIMITS } from "../../../scripts/local/answer-limits.ts";

export type Login = { readonly userId: string; readonly deviceId: string; readonly accessToken: string };

const Answer = Type.Object({ user_id: Type.String(), device_id: Type.String(), access_token: Type.String() });

/** A new device of a user. */
export const logIn = async (url: string, user: { userId: string; password: string }): Promise<Login> => {
  const { body } = await request(`${url}/_matrix/client/v3/login`, {
    ...ANSWER_LIMITS,
    method: "POST",
    body: JSON.stringify({
      type: "m.login.password",
      identifier: { type: "m.id.user", user: user.userId },
      password: user.password,
    }),
  });
  const answer: unknown = await body.json();
  if (!Value.Check(Answer, answer)) throw new Error("the homeserver did not log the bot in");
  return { userId: answer.user_id, deviceId: answer.device_id, accessToken: answer.access_token };
};
