// SPDX-License-Identifier: Apache-2.0
// Answers with an error of the table in hooks/error-codes.ts.
import type { FastifyReply } from "fastify";
import { type ErrorCode, errors } from "../../hooks/error-codes.ts";
import type { ErrorBody } from "./error-body.ts";

/** One field of the request and what is wrong with it; never its value. */
export type ErrorDetail = { field: string; message: string };

export type ErrorOptions = {
  /** In place of the table's text. Must hold no value of the request and no secret. */
  message?: string;
  details?: ErrorDetail[];
  /** Sent as Retry-After. */
  retryAfterSeconds?: number;
};

/** A request that ends in an answer of the table, for places that can only throw. Elsewhere use `sendError`. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly options: ErrorOptions;
  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    super(options.message ?? errors[code].text);
    this.name = "ApiError";
    this.code = code;
    this.options = options;
  }
}

/** The body of an error answer. */
export const errorBody = (code: ErrorCode, options: ErrorOptions = {}): ErrorBody => ({
  code,
  message: options.message ?? errors[code].text,
  ...(options.details !== undefined && { details: options.details }),
});

/** Answers with an error of the table. */
export const sendError = (reply: FastifyReply, code: ErrorCode, options: ErrorOptions = {}): FastifyReply => {
  reply.request.errorCode = code;
  if (options.retryAfterSeconds !== undefined) reply.header("retry-after", String(options.retryAfterSeconds));
  return reply
    .code(errors[code].status)
    .type("application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send(errorBody(code, options));
};

declare module "fastify" {
  interface FastifyRequest {
    /** The code of the error that was answered, for the log line and the metric. */
    errorCode: ErrorCode | null;
  }
}
