// SPDX-License-Identifier: Apache-2.0
// Writes the audit line and the metrics of each operation on the token: who requested what, and how it ended. Never a value.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { KeyedChecksums } from "../../../hooks/checksum.ts";
import { certificateSubject } from "../../http/auth.ts";
import type { AgentMetrics } from "../metrics.ts";

declare module "fastify" {
  interface FastifyInstance {
    /** Of the agent: how the log shows checksums, and what webhooks know of secrets. */
    checksums: () => KeyedChecksums;
  }
}

/** What an operation came to: `found`, `absent`, `unchanged`, `listed`, or the code of the error. */
export type Audited = { outcome: string; path?: string; prefix?: string; checksum?: string; count?: number };

/** Operations that take the bearer token that may write, or give the agent a role. */
export type WriteOperation =
  | "put"
  | "patch"
  | "delete"
  | "delete-key"
  | "import"
  | "repack"
  | "repair"
  | "export"
  | "pin"
  | "role"
  | "adopt"
  | "resolve"
  | "resolution";

/** What a write came to: its outcome, or the code of the error. */
export type AuditedWrite = {
  outcome: string;
  path?: string;
  prefix?: string;
  /** The names that were to be set or removed; the line has the first of them, and how many there are. */
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
    const line = {
      audit: operation,
      ...audited,
      ...keyed(request, audited, ["checksum"]),
      scope,
      client: request.ip,
      durationMs: rounded(ms),
    };
    request.log.info(line, "audit");
  };
};

/** A line with more names is of use to nobody, and a body can have tens of thousands. */
const MAX_KEYS = 50;

/** Requests that have their line. */
const told = new WeakSet<FastifyRequest>();

/** The same for a write: the line also has the names of the caller's bearer token and certificate. */
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
  const shown = {
    ...keyed(request, audited, ["before", "after"]),
    ...(audited.keys !== undefined &&
      audited.keys.length > MAX_KEYS && {
        keys: audited.keys.slice(0, MAX_KEYS),
        keyCount: audited.keys.length,
      }),
  };
  const line = { audit: operation, who, ...audited, ...shown, client: request.ip, durationMs: rounded(ms) };
  request.log.info(line, "audit");
};

/** The checksums of a line as people may see them who may not see values. */
const keyed = <K extends string>(
  { server }: FastifyRequest,
  line: { readonly [N in K]?: string | null },
  names: readonly K[],
): { [N in K]?: string } => {
  const shown: { [N in K]?: string } = {};
  for (const name of names) {
    const plain = line[name];
    if (plain != null) shown[name] = server.checksums().of(plain);
  }
  return shown;
};

const rounded = (ms: number): number => Math.round(ms * 10) / 10;

/** Aborts when the caller hangs up before it has its answer. */
export const hangUpSignal = (reply: FastifyReply): AbortSignal => {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableEnded) gone.abort();
  });
  return gone.signal;
};
