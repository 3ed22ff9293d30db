// SPDX-License-Identifier: Apache-2.0
// Translates a failed request of matrix-bot-sdk into our fault type: the SDK throws three kinds of errors.
import { Type } from "@sinclair/typebox";
import { compileSchema } from "../http/validation.ts";
import { describeFault, type MatrixFault } from "./http.ts";
import { SdkRequestFailed } from "./sdk-request.ts";

/** Where a request was made within a longer work, and that work can't go on. The message is a phrase of describeFault. */
export class RequestFailed extends Error {
  readonly fault: MatrixFault;
  constructor(fault: MatrixFault) {
    super(`the homeserver ${describeFault(fault)}`);
    this.fault = fault;
  }
}

const Refusal = compileSchema(
  Type.Object({
    statusCode: Type.Integer(),
    body: Type.Optional(Type.Unknown()),
  }),
);

const Body = compileSchema(
  Type.Object({
    errcode: Type.String({ pattern: "^[A-Za-z0-9_.]{1,64}$" }),
    soft_logout: Type.Optional(Type.Unknown()),
    retry_after_ms: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
);

/** Undefined when `error` is something else: a bug. */
export const faultOfSdk = (error: unknown): MatrixFault | undefined => {
  if (error instanceof RequestFailed) return error.fault;
  if (error instanceof SdkRequestFailed) {
    const kind = KINDS.find((known) => known === error.code);
    return kind && { ok: false, kind, what: WHAT[kind] };
  }
  if (!Refusal.Check(error)) return undefined;
  const { statusCode: status, body } = error;
  if (!Body.Check(body)) return { ok: false, kind: "http", status };
  return {
    ok: false,
    kind: "matrix",
    status,
    errcode: body.errcode,
    softLogout: body.soft_logout === true,
    ...(body.retry_after_ms !== undefined && { retryAfterMs: body.retry_after_ms }),
  };
};

const WHAT = {
  unreachable: "can't be reached",
  timeout: "did not answer in time",
  refused: "gave an answer that is not taken",
  aborted: "was not waited for",
} as const;
const KINDS = ["unreachable", "timeout", "refused", "aborted"] as const;

/** Whether the same request can succeed later: no answer, 429, or a fault of the server's. */
export const isTransient = (fault: MatrixFault): boolean =>
  fault.kind === "matrix" || fault.kind === "http"
    ? fault.status === 429 || fault.status >= 500 || fault.status === 401
    : true;

/**
 * Whether the whole sync is to come again: the homeserver is gone, or wants to be left alone. What it refuses of one room, or
 * can't find in time, must not stop the others.
 */
export const concernsAll = (fault: MatrixFault): boolean =>
  fault.kind === "matrix" || fault.kind === "http"
    ? fault.status === 401 || fault.status === 429
    : fault.kind === "unreachable" || fault.kind === "aborted";

/** How long the homeserver wants to be left alone. */
export const retryAfterOf = (fault: MatrixFault): number | undefined =>
  fault.kind === "matrix" || fault.kind === "http" ? fault.retryAfterMs : undefined;
