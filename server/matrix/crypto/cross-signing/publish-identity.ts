// SPDX-License-Identifier: Apache-2.0
// Uploads the public keys of a new identity, with the password if the homeserver requires it.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { HomeserverRequests } from "../homeserver-requests.ts";

/** https://spec.matrix.org/latest/client-server-api/#user-interactive-authentication-api */
const Challenge = Type.Object({
  session: Type.Optional(Type.String()),
  flows: Type.Array(Type.Object({ stages: Type.Array(Type.String()) })),
});

export type PublishResult = "published" | "password-needed" | "unavailable";

/**
 * https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysdevice_signingupload
 * An account's first upload needs no authentication with homeservers since MSC3967.
 * @param keys JSON
 */
export const publishIdentity = async (
  request: HomeserverRequests,
  user: string,
  password: string | undefined,
  keys: string,
): Promise<PublishResult> => {
  const body: unknown = JSON.parse(keys);
  if (typeof body !== "object" || body === null) {
    throw new Error("the machine's request has no object as its body");
  }
  const upload = (auth?: object) =>
    request("POST", "keys/device_signing/upload", { ...body, ...(auth !== undefined && { auth }) });
  const first = await upload();
  if (first.status === 200) return "published";
  if (first.status !== 401 || !Value.Check(Challenge, first.body)) return "unavailable";
  const { session, flows } = first.body;
  const takesPassword = flows.some(({ stages }) => stages.length === 1 && stages[0] === "m.login.password");
  if (password === undefined || !takesPassword) return "password-needed";
  const second = await upload({
    type: "m.login.password",
    identifier: { type: "m.id.user", user },
    password,
    ...(session !== undefined && { session }),
  });
  if (second.status === 200) return "published";
  return second.status === 401 || second.status === 403 ? "password-needed" : "unavailable";
};
