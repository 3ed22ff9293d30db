// SPDX-License-Identifier: Apache-2.0
// Defines the table of error codes with their HTTP status and text. docs/errors.md is checked against it in both directions.
import type { FastifyReply } from "fastify";
import type { ErrorBody } from "./error-body.ts";

/** Code → HTTP status and the text that callers read. No text ever holds a value of the request. */
export const errors = {
  INVALID_REQUEST: {
    status: 400,
    text: "The request does not have the expected shape; details name the fields.",
  },
  INVALID_JSON: { status: 400, text: "The body is not JSON." },
  UNAUTHENTICATED: { status: 401, text: "A valid bearer token is needed." },
  CLIENT_CERTIFICATE_REQUIRED: {
    status: 401,
    text: "A client certificate that this server's CA signed is needed.",
  },
  PIN_MISMATCH: {
    status: 403,
    text: "currentPin is not the PIN that the agent uses; it was not tried on the token.",
  },
  FORBIDDEN: { status: 403, text: "The credentials are valid but do not allow this." },
  NOT_FOUND: { status: 404, text: "There is no such route." },
  SECRET_NOT_FOUND: { status: 404, text: "The token holds nothing at this path." },
  KEY_NOT_FOUND: { status: 404, text: "The secret has no such key." },
  METHOD_NOT_ALLOWED: {
    status: 405,
    text: "The route does not know this method; the Allow header lists those it does.",
  },
  REQUEST_TIMEOUT: { status: 408, text: "The request did not arrive in time." },
  PATH_AMBIGUOUS: {
    status: 409,
    text: "An object on the token belongs to this path and to another one; the message names it.",
  },
  PRECONDITION_FAILED: {
    status: 412,
    text: "The secret is not in the state that the request's condition names.",
  },
  PAYLOAD_TOO_LARGE: { status: 413, text: "The body is larger than this server takes." },
  SECRET_TOO_LARGE: {
    status: 413,
    text: "The secret, a key or a label is larger than the token takes; the message says what it takes.",
  },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, text: "The body must be application/json." },
  VALUE_EMPTY: {
    status: 422,
    text: "The token does not keep an object without a value; the packed layout does.",
  },
  PIN_REFUSED: { status: 422, text: "The token does not take the new PIN; the message says why." },
  TOO_BUSY: {
    status: 429,
    text: "Too many requests are being worked on; try again after Retry-After seconds.",
  },
  SYNC_AGAIN: {
    status: 429,
    text: "The Secret was written to the token; the hook tells the rest when it is called again after Retry-After seconds.",
  },
  HEADERS_TOO_LARGE: { status: 431, text: "The headers are larger than this server takes." },
  INTERNAL: { status: 500, text: "Something went wrong here; the log has more under the request id." },
  AGENT_REFUSED: { status: 502, text: "The agent's answer can't be used." },
  AGENT_UNKNOWN: { status: 502, text: "No agent of that name is configured." },
  AGENT_BEHIND: {
    status: 502,
    text: "The agent that answered holds an older version of the secret than was applied, or one that can't be placed.",
  },
  AGENT_UNREACHABLE: { status: 502, text: "The agent can't be reached." },
  PARENT_UNCONFIRMED: {
    status: 502,
    text: "The API server does not confirm the HSMSecret that a hook was called for; nothing was changed on the token.",
  },
  NOT_ALIVE: { status: 503, text: "Nothing has succeeded for long; checks say what. A restart may help." },
  NOT_READY: { status: 503, text: "Not ready; checks say why." },
  TOKEN_UNAVAILABLE: { status: 503, text: "The token can't be read at the moment." },
  PIN_LOCKED: { status: 503, text: "The token's PIN is locked, or one try is left and is not used." },
  PIN_INCORRECT: {
    status: 503,
    text: "The token refused the PIN, or may have; it is not tried again until the PIN file changes.",
  },
  TIMEOUT: { status: 503, text: "The token did not answer in time." },
  WRITE_UNCERTAIN: {
    status: 503,
    text: "The write was cut off, or can't be seen. The token holds the old secret or the new one, whole: read it, then try again.",
  },
  LABEL_INVALID: {
    status: 503,
    text: "An object of this secret has a label that can't be a key; kubectl hsm list --invalid names it.",
  },
  STORAGE_INVALID: { status: 503, text: "What the token holds at this path can't be understood." },
  TOKEN_FULL: {
    status: 507,
    text: "The token has no room for this; nothing was changed. The message says what it holds.",
  },
  QUOTA_EXCEEDED: {
    status: 507,
    text: "The namespace has used up its quota on the token, or what is left is kept for the administrator; nothing was changed.",
  },
  WRITE_NOT_SHOWN: {
    status: 507,
    text: "The token took the write but does not show it; the secret is as it was.",
  },
} as const satisfies Record<string, { status: number; text: string }>;

/** Every code that an answer can carry. */
export type ErrorCode = keyof typeof errors;

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
  ...(options.details && { details: options.details }),
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
