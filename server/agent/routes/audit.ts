// SPDX-License-Identifier: Apache-2.0
// The audit line and the metrics of one operation on the token: who asked for what, and how it ended. Never a value.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { AgentMetrics } from "../metrics.ts";

/** What an operation came to: `found`, `absent`, `unchanged`, `listed`, or the code of the error. */
export type Audited = { outcome: string; path?: string; prefix?: string; checksum?: string; count?: number };

/** Writes the line when called with the end of the operation. The time runs from the call of this function. */
export const startAudit = (request: FastifyRequest, metrics: AgentMetrics, operation: string) => {
  const startedAt = performance.now();
  return (audited: Audited): void => {
    const ms = performance.now() - startedAt;
    metrics.operation(operation, audited.outcome, ms / 1000);
    const scope = request.routeOptions.config.scope;
    const line = {
      audit: operation,
      ...audited,
      scope,
      client: request.ip,
      durationMs: Math.round(ms * 10) / 10,
    };
    request.log.info(line, "audit");
  };
};

/** Aborts when the caller hangs up before it has its answer. */
export const callerGone = (reply: FastifyReply): AbortSignal => {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableEnded) gone.abort();
  });
  return gone.signal;
};
