// SPDX-License-Identifier: Apache-2.0
// Logs in with a given access token, and asks the homeserver for its user and device.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { MatrixAuth } from "../../config/matrix.ts";
import type { MatrixFault } from "../http.ts";
import { refusal } from "./matrix-login.ts";
import { failure, LOG_IN_TIMEOUT_MS, type LogInDeps, type LogInOutcome } from "./outcome.ts";

/** https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3accountwhoami */
const WhoAmI = Type.Object({
  user_id: Type.String({ pattern: "^@[^:]*:.+$" }),
  device_id: Type.Optional(Type.String({ minLength: 1 })),
});

/** Whose token it is. `malformed`: the answer is not Matrix's. */
export type Owner =
  | { ok: true; userId: string; deviceId?: string }
  | { ok: false; fault: MatrixFault | "malformed" };

export const whoAmI = async (deps: LogInDeps, accessToken: string): Promise<Owner> => {
  const answer = await deps.http.request({
    method: "GET",
    path: "/_matrix/client/v3/account/whoami",
    accessToken,
    timeoutMs: LOG_IN_TIMEOUT_MS,
    ...(deps.signal !== undefined && { signal: deps.signal }),
  });
  if (!answer.ok) return { ok: false, fault: answer };
  if (!Value.Check(WhoAmI, answer.body)) return { ok: false, fault: "malformed" };
  const { user_id: userId, device_id: deviceId } = answer.body;
  return { ok: true, userId, ...(deviceId !== undefined && { deviceId }) };
};

/** What is wrong when `whoAmI` failed. */
export const ownerRefusal = (fault: MatrixFault | "malformed") =>
  fault === "malformed"
    ? failure("matrix", "The homeserver's answer to whoami is not one that Matrix knows.")
    : refusal(fault, "to say whose token it is");

export const logInWithToken = async (
  auth: Extract<MatrixAuth, { method: "token" }>,
  deps: LogInDeps,
): Promise<LogInOutcome> => {
  const accessToken = auth.accessToken.reveal();
  const { source } = auth.accessToken;
  const owner = await whoAmI(deps, accessToken);
  if (!owner.ok) {
    const { fault } = owner;
    if (fault !== "malformed" && fault.kind === "matrix" && fault.errcode === "M_UNKNOWN_TOKEN") {
      const stale = auth.accessToken.fault();
      return failure(
        "matrix",
        `The homeserver does not accept the access token${fault.softLogout ? " any more: it expired" : ""}. ` +
          `Make a new one and put it into ${source}.${stale === undefined ? "" : ` (${stale}.)`}`,
      );
    }
    return ownerRefusal(fault);
  }
  const { userId, deviceId } = owner;
  if (deviceId === undefined) {
    return failure(
      "matrix",
      `The access token in ${source} belongs to no device, so encryption is not possible. ` +
        "Take one that a log-in as the bot gave (POST /_matrix/client/v3/login).",
    );
  }
  return { ok: true, session: { userId, deviceId, accessToken } };
};
