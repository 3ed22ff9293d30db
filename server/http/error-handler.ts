// SPDX-License-Identifier: Apache-2.0
// Turns the errors of fastify, Node's parser and handlers into responses of the error table, and unknown routes into 404 and
// 405.
import type { Socket } from "node:net";
import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { type ErrorCode, errors } from "../../hooks/error-codes.ts";
import { ApiError, errorBody, sendError } from "./errors.ts";

/** fastify's codes for requests that are at fault. https://fastify.dev/docs/latest/Reference/Errors/ */
const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "PAYLOAD_TOO_LARGE",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE",
  FST_ERR_CTP_EMPTY_JSON_BODY: "INVALID_JSON",
  FST_ERR_CTP_INVALID_JSON_BODY: "INVALID_JSON",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "INVALID_REQUEST",
  FST_ERR_BAD_URL: "NOT_FOUND",
  FST_ERR_MAX_PARAM_LENGTH: "NOT_FOUND",
};

/** fastify's setErrorHandler. What is not a known fault of the request is a bug: logged whole, answered without inside details. */
export const handleError = (
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply => {
  if (error instanceof ApiError) return sendError(reply, error.code, error.options);
  const known = FASTIFY_CODES[error.code];
  if (known !== undefined) return sendError(reply, known);
  if (error.statusCode === 400) return sendError(reply, "INVALID_REQUEST");
  request.log.error({ err: error }, "request failed");
  return sendError(reply, "INTERNAL");
};

/** Methods by route pattern, filled while routes are added. */
export type RouteMethods = Map<string, Set<string>>;

/** 405 with Allow where another method would have found a route, else 404. */
export const answerUnknownRoute = (
  routes: RouteMethods,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply => {
  const path = request.raw.url?.split("?")[0] ?? "";
  const allowed = new Set<string>();
  for (const [pattern, methods] of routes) {
    if (matchesPattern(pattern, path)) for (const method of methods) allowed.add(method);
  }
  if (allowed.size === 0) return sendError(reply, "NOT_FOUND");
  reply.header("allow", [...allowed].sort().join(", "));
  return sendError(reply, "METHOD_NOT_ALLOWED");
};

/** Whether a path falls under a find-my-way pattern of plain segments, `:name` segments and a trailing `*`. */
const matchesPattern = (pattern: string, path: string): boolean => {
  const wanted = pattern.split("/");
  const segments = path.split("/");
  return (
    wanted.every((want, i) => {
      const segment = segments[i];
      if (segment === undefined) return false;
      return want === "*" || (want.startsWith(":") ? segment !== "" : want === segment);
    }) &&
    (wanted.at(-1) === "*" || segments.length === wanted.length)
  );
};

/** Node's codes for bytes that are no HTTP request. */
const PARSER_CODES: Readonly<Record<string, ErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "REQUEST_TIMEOUT",
  HPE_HEADER_OVERFLOW: "HEADERS_TOO_LARGE",
};

/** fastify's clientErrorHandler: there is no request yet, so the answer is written to the socket. */
export const answerBrokenRequest = (
  error: NodeJS.ErrnoException,
  socket: Socket,
  logger: FastifyBaseLogger,
): void => {
  logger.debug({ code: error.code }, "broken request");
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const code = PARSER_CODES[error.code ?? ""] ?? "INVALID_REQUEST";
  const body = JSON.stringify(errorBody(code));
  const head = [
    `HTTP/1.1 ${errors[code].status} ${code}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
};
