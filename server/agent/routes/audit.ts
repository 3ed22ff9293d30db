// SPDX-License-Identifier: Apache-2.0
// The audit line and the metrics of one operation on the token: who asked for what, and how it ended. Never a value.
import type { FastifyReply, FastifyRequest } from "fastify";
import { certificateSubject } from "../../http/auth.ts";
import type { AgentMetrics } from "../metrics.ts";

/** What an operation came to: `found`, `absent`, `unchanged`, `listed`, or the code of the error. */
export type Audited = { outcome: string; path?: string; prefix?: string; checksum?: string; count?: number };

/** Operations that take the write token. */
export type WriteOperation =
  | "put"
  | "patch"
  | "delete"
  | "delete-key"
  | "import"
  | "repack"
  | "repair"
  | "export"
  | "pin";

/** What a write came to: its outcome, or the code of the error. */
export type AuditedWrite = {
  outcome: string;
  path?: string;
  prefix?: string;
  /** The names that were to be set or removed. */
  keys?: readonly string[];
  /** The checksum before and after, null where there was no secret; left out where that is not known. */
  before?: string | null;
  after?: string | null;
  count?: number;
};

/** Writes the line when called with the end of the operation. The time runs from the call of this function. */
export const startAudit = (request: FastifyRequest, metrics: AgentMetrics, operation: string) => {
  const startedAt = performance.now();
  return (audited: Audited): void => {
    const ms = performance.now() - startedAt;
    metrics.operation(operation, audited.outcome, ms / 1000);
    const scope = request.routeOptions.config.scope;
    const line = { audit: operation, ...audited, scope, client: request.ip, durationMs: rounded(ms) };
    request.log.info(line, "audit");
  };
};

/** Requests that have their line. */
const told = new WeakSet<FastifyRequest>();

/** The same for a write: the line also has the names of the caller's token and certificate. */
export const startWriteAudit = (
  request: FastifyRequest,
  metrics: AgentMetrics,
  operation: WriteOperation,
) => {
  const startedAt = performance.now();
  return (audited: AuditedWrite): void => {
    const ms = performance.now() - startedAt;
    metrics.operation(operation, audited.outcome, ms / 1000);
    writeLine(request, operation, audited, ms);
  };
};

/** A line for a request that was refused before there was an operation; none for a request that has one. */
export const auditRefusal = (
  request: FastifyRequest,
  reply: FastifyReply,
  operation: WriteOperation,
  path: string | undefined,
): void => {
  if (request.errorCode === null || told.has(request)) return;
  const audited = { outcome: request.errorCode, ...(path !== undefined && { path }) };
  writeLine(request, operation, audited, reply.elapsedTime);
};

const writeLine = (
  request: FastifyRequest,
  operation: WriteOperation,
  audited: AuditedWrite,
  ms: number,
): void => {
  told.add(request);
  const certificate = certificateSubject(request.raw.socket);
  const who = {
    ...(request.tokenName !== null && { token: request.tokenName }),
    ...(certificate !== undefined && { certificate }),
  };
  const line = { audit: operation, who, ...audited, client: request.ip, durationMs: rounded(ms) };
  request.log.info(line, "audit");
};

const rounded = (ms: number): number => Math.round(ms * 10) / 10;

/** Aborts when the caller hangs up before it has its answer. */
export const callerGone = (reply: FastifyReply): AbortSignal => {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableEnded) gone.abort();
  });
  return gone.signal;
};
