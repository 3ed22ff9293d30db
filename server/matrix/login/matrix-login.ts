// SPDX-License-Identifier: Apache-2.0
// Sends POST /login, the last step of every log-in, and explains its errors.
// https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3login
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { describeFault, type MatrixFault } from "../http.ts";
import {
  type DeviceOptions,
  failure,
  LOG_IN_TIMEOUT_MS,
  type LogInDeps,
  type LogInFailure,
  type LogInOutcome,
} from "./outcome.ts";

const LoggedIn = Type.Object({
  user_id: Type.String({ pattern: "^@[^:]*:.+$" }),
  device_id: Type.String({ minLength: 1 }),
  access_token: Type.String({ minLength: 1 }),
});

const Flows = Type.Object({ flows: Type.Array(Type.Object({ type: Type.String() })) });

/** Flow types of a homeserver are named in a reason; anything that does not look like one is left out. */
const FLOW_TYPE = /^[a-z0-9._-]{1,64}$/;

export type MatrixLogin = {
  /** The body's fields besides the device's. */
  body: { type: string } & Readonly<Record<string, unknown>>;
  /** A sentence or two for M_FORBIDDEN: what was refused and what to do. */
  forbidden: string;
};

/** Logs in; a POST /login is never repeated here, as each may make a device. */
export const postLogin = async (
  deps: LogInDeps,
  { body, forbidden }: MatrixLogin,
  device: DeviceOptions,
): Promise<LogInOutcome> => {
  const answer = await deps.http.request({
    method: "POST",
    path: "/_matrix/client/v3/login",
    body: {
      ...body,
      ...(device.deviceId !== undefined && { device_id: device.deviceId }),
      ...(device.displayName !== undefined && { initial_device_display_name: device.displayName }),
    },
    timeoutMs: LOG_IN_TIMEOUT_MS,
    ...(deps.signal !== undefined && { signal: deps.signal }),
  });
  if (answer.ok) {
    if (!Value.Check(LoggedIn, answer.body)) {
      return failure("matrix", "The homeserver's answer to the log-in is not one that Matrix knows.");
    }
    const { user_id: userId, device_id: deviceId, access_token: accessToken } = answer.body;
    return { ok: true, session: { userId, deviceId, accessToken } };
  }
  if (answer.kind === "matrix" && answer.status === 403 && answer.errcode === "M_FORBIDDEN") {
    return failure("matrix", forbidden);
  }
  // Synapse answers 400 M_UNKNOWN to a type that it does not know; which ones it knows is asked, not read from the text.
  const offered = await offeredTypes(deps, answer);
  if (offered !== undefined && !offered.includes(body.type)) {
    return failure(
      "matrix",
      `The homeserver does not offer the login type ${body.type}; it offers ${offered.join(", ") || "none"}. ` +
        "Configure it there (docs/matrix-login.md), or choose another AUTH_METHOD or JWT_LOGIN_TYPE.",
    );
  }
  return refusal(answer, "the log-in");
};

const offeredTypes = async (deps: LogInDeps, fault: MatrixFault): Promise<string[] | undefined> => {
  if (fault.kind !== "matrix" || fault.status >= 500 || fault.status === 429) return undefined;
  const answer = await deps.http.request({
    method: "GET",
    path: "/_matrix/client/v3/login",
    timeoutMs: LOG_IN_TIMEOUT_MS,
  });
  if (!answer.ok || !Value.Check(Flows, answer.body)) return undefined;
  return answer.body.flows.map(({ type }) => type).filter((type) => FLOW_TYPE.test(type));
};

/** What any request's fault means for a log-in. `what` completes "refused …". */
export const refusal = (fault: MatrixFault, what: string): LogInFailure => {
  const later = {
    retry: true,
    ...("retryAfterMs" in fault && fault.retryAfterMs !== undefined && { retryAfterMs: fault.retryAfterMs }),
  };
  const said = describeFault(fault);
  if (fault.kind === "unreachable" || fault.kind === "timeout" || fault.kind === "aborted") {
    return failure(
      "matrix",
      `The homeserver ${said}. Check MATRIX_HOMESERVER, and whether the homeserver runs.`,
      later,
    );
  }
  if (fault.kind === "matrix") return matrixRefusal(fault, what, later);
  if (fault.kind === "http" && (fault.status >= 500 || fault.status === 429)) {
    return failure(
      "matrix",
      `The homeserver ${said}. Look into the log of it and of the proxy before it.`,
      later,
    );
  }
  return failure(
    "matrix",
    `The homeserver ${said}. MATRIX_HOMESERVER must be the address of a homeserver's client API.`,
  );
};

/** `later`: options of a failure that trying again may mend. */
const matrixRefusal = (
  fault: Extract<MatrixFault, { kind: "matrix" }>,
  what: string,
  later: Parameters<typeof failure>[2],
): LogInFailure => {
  const { status, errcode } = fault;
  const said = describeFault(fault);
  if (errcode === "M_LIMIT_EXCEEDED" || status === 429) {
    return failure(
      "matrix",
      "The homeserver wants fewer log-ins (M_LIMIT_EXCEEDED). Wait, and try again.",
      later,
    );
  }
  if (errcode === "M_USER_DEACTIVATED") {
    return failure(
      "matrix",
      "The account of MATRIX_USER is deactivated. Have it reactivated, or use another.",
    );
  }
  if (errcode === "M_USER_LOCKED") {
    return failure("matrix", "The account of MATRIX_USER is locked. Have it unlocked.", later);
  }
  if (status >= 500) return failure("matrix", `The homeserver ${said}. Look into its log.`, later);
  return failure("matrix", `The homeserver refused ${what}: it ${said}. Look into its log.`);
};
