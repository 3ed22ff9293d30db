// SPDX-License-Identifier: Apache-2.0
// Makes the changes on a token that a hook requests, if the API server confirms the HSMSecret and time is left; counts and logs
// each, without values.
import type { FastifyRequest } from "fastify";
import type { HSMSecret, Removal, RemovalOutcome, Write, WriteOutcome } from "../../hooks/hsmsecret/index.ts";
import type { AgentWriter } from "./agent-writer.ts";
import type { HookMetrics } from "./hook-routes.ts";
import type { ParentCheck } from "./parent-check.ts";

/** Milliseconds for all that a hook asks of agents. Metacontroller waits 10 s. */
const BUDGET_MS = 8000;
/** A write is not begun with less time than this: one on a slow token takes more than a second. */
const LEAST_FOR_WRITE_MS = 3000;

const TOO_LATE: WriteOutcome = {
  outcome: "unavailable",
  code: "TIMEOUT",
  message: "reading the token took so long that the write was not begun.",
};

/** For whom a change is made. `startedAt` is monotonic milliseconds; `begunAt` is so by `now`, and the budget counts from it. */
type HookUnderWay = {
  request: FastifyRequest;
  parent: HSMSecret;
  startedAt: number;
  begunAt: number;
};

export type TokenChanges = {
  write(call: HookUnderWay, write: Write): Promise<WriteOutcome>;
  remove(call: HookUnderWay, removal: Removal): Promise<RemovalOutcome>;
};

export type TokenChangesOptions = {
  writer: Pick<AgentWriter, "write" | "remove">;
  /** Asked before a token is changed. */
  parents: Pick<ParentCheck, "refusal">;
  metrics: Pick<HookMetrics, "tokenChange">;
  /** Milliseconds, monotonic. */
  now: () => number;
};

export const createTokenChanges = ({ writer, parents, metrics, now }: TokenChangesOptions): TokenChanges => {
  const told = (
    { request, startedAt }: HookUnderWay,
    operation: "write" | "remove",
    outcome: WriteOutcome | RemovalOutcome,
    { path, device: agent, keys }: { path: string; device?: string; keys?: number },
  ): void => {
    const result = "code" in outcome ? outcome.code : outcome.outcome;
    metrics.tokenChange(operation, result);
    const durationMs = Math.round(performance.now() - startedAt);
    const level = outcome.outcome === "written" || outcome.outcome === "removed" ? "info" : "warn";
    request.log[level]({ operation, path, agent, keys, outcome: result, durationMs }, "token change");
  };
  return {
    async write(call, write) {
      const refusal = await parents.refusal(call.parent, "write");
      const timeoutMs = BUDGET_MS - (now() - call.begunAt);
      const how = { requestId: call.request.id, timeoutMs };
      const isLate = timeoutMs < LEAST_FOR_WRITE_MS;
      const outcome = refusal ?? (isLate ? TOO_LATE : await writer.write(write, how));
      const { path, device, data } = write;
      told(call, "write", outcome, { path, device, keys: Object.keys(data).length });
      return outcome;
    },
    async remove(call, removal) {
      const refusal = await parents.refusal(call.parent, "remove");
      const timeoutMs = BUDGET_MS - (now() - call.begunAt);
      const outcome = refusal ?? (await writer.remove(removal, { requestId: call.request.id, timeoutMs }));
      told(call, "remove", outcome, removal);
      return outcome;
    },
  };
};
