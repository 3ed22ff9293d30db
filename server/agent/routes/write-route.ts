// SPDX-License-Identifier: Apache-2.0
// Sets what all writing routes share: the write scope, responses that are not cached, an audit line in any case, and how a failed
// change is answered.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ErrorCode } from "../../../hooks/error-codes.ts";
import { isHsmPath } from "../../../hooks/formats.ts";
import { type ErrorOptions, sendError } from "../../http/errors.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { ChangeResult, PinResult, SecretStore } from "../store.ts";
import { type AuditedWrite, auditRefusal, type WriteOperation } from "./audit.ts";

export type WriteRouteOptions = { store: SecretStore; metrics: AgentMetrics; device: string };

const PathParams = Type.Object({ "*": Type.String() });

/** The path of a request that may have failed any check. */
const pathOf = ({ params }: FastifyRequest): string | undefined =>
  Value.Check(PathParams, params) && isHsmPath(params["*"]) ? params["*"] : undefined;

type Operation = WriteOperation | ((request: FastifyRequest) => WriteOperation);

/** The options of a route of `operation`, beside its schema. */
export const writeRoute = <S extends "write" | "role" = "write">(operation: Operation, scope?: S) => ({
  config: { scope: scope ?? ("write" as const) },
  onSend: async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.header("cache-control", "no-store");
  },
  onResponse: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const name = typeof operation === "string" ? operation : operation(request);
    auditRefusal(request, reply, name, pathOf(request));
  },
});

/** The same for what writes to the token, which the role of the agent has to allow. */
export const gatedWriteRoute = (operation: Operation) => ({
  ...writeRoute(operation),
  preHandler: async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> =>
    request.server.writeGate(request, reply),
});

declare module "fastify" {
  interface FastifyInstance {
    /** Of the agent: answers a write itself where the role of the agent does not allow it. */
    writeGate: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
  }
}

/** A change that made what was asked of it. */
type Done = Extract<ChangeResult, { kind: "written" | "deleted" }>;

/** Every other end of a change. */
export type FailedChange = Exclude<ChangeResult, Done>;

export type Failure = ErrorOptions & { code: ErrorCode };

/** The row of the error table that `result` is answered with. */
export const failureOf = (result: FailedChange): Failure => {
  switch (result.kind) {
    case "absent":
      return { code: "SECRET_NOT_FOUND" };
    case "key-absent":
      return { code: "KEY_NOT_FOUND" };
    case "last-key":
      return {
        code: "INVALID_REQUEST",
        details: [{ field: "body.data", message: "would leave no key; delete the secret instead" }],
      };
    case "precondition":
      return { code: "PRECONDITION_FAILED" };
    case "refused":
      return { code: result.code, message: result.message };
    case "over-quota":
      return { code: "QUOTA_EXCEEDED", message: result.message };
    case "uncertain":
      return { code: "WRITE_UNCERTAIN", message: result.message, retryAfterSeconds: 1 };
    case "not-taken":
    case "unavailable":
      return {
        code: result.code,
        message: result.message,
        ...(result.retryAfterSeconds !== undefined && { retryAfterSeconds: result.retryAfterSeconds }),
      };
  }
};

const PIN_WITHHELD =
  "currentPin was wrong three times, and is not compared again for an hour, or until the agent has logged in with a new content of its PIN file, or is restarted.";

/** The same for a PIN that was not changed. */
export const pinFailureOf = (result: Exclude<PinResult, { kind: "changed" }>): Failure => {
  switch (result.kind) {
    case "mismatch":
      return { code: "PIN_MISMATCH" };
    case "withheld":
      return { code: "TOO_BUSY", message: PIN_WITHHELD, retryAfterSeconds: result.retryAfterSeconds };
    case "refused":
      return { code: "PIN_REFUSED", message: result.message };
    case "unavailable":
      return {
        code: result.code,
        message: result.message,
        retryAfterSeconds: result.retryAfterSeconds,
      };
  }
};

/** Answers with the failure. */
export const sendFailure = (reply: FastifyReply, { code, ...options }: Failure): FastifyReply =>
  sendError(reply, code, options);

/** What the audit line tells of a change: its end, and the secret before and after it as far as the result knows them. */
export const auditedChange = (result: ChangeResult): Pick<AuditedWrite, "outcome" | "before" | "after"> => {
  switch (result.kind) {
    case "written":
      return { outcome: result.outcome, before: result.before, after: result.checksum };
    case "deleted":
      return { outcome: "deleted", before: result.before, after: null };
    case "absent":
      return { outcome: failureOf(result).code, before: null, after: null };
    case "precondition":
      return { outcome: failureOf(result).code, before: result.before, after: result.before };
    default:
      return { outcome: failureOf(result).code };
  }
};
