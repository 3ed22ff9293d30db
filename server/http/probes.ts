// SPDX-License-Identifier: Apache-2.0
// Serves the routes of every process: /healthz, /readyz and /metrics.
import type { FastifyReply } from "fastify";
import type { Registry } from "prom-client";
import type { ErrorCode } from "../../hooks/error-codes.ts";
import { errorBody } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";

/** One dependency. Only a `required` one that is not ok makes the process unready. */
export type ReadyCheck = { name: string; ok: boolean; required: boolean; message?: string };

/** Looks at the dependencies; must not throw and must answer within a probe's second. */
export type Readiness = () => readonly ReadyCheck[] | Promise<readonly ReadyCheck[]>;

export type ProbeOptions = {
  registry: Registry;
  ready: Readiness;
  /** What a restart would mend. Unless given, a process that answers is alive. */
  alive?: Readiness;
};

/** Adds the three routes. The first two are open, because the kubelet's probes carry no credentials. */
export const addProbes = (app: KeyswitchServer, { registry, ready, alive }: ProbeOptions): void => {
  app.get("/healthz", { config: { scope: "open" } }, async (_request, reply) =>
    alive === undefined ? { status: "alive" } : answer(reply, await alive(), "alive", "NOT_ALIVE"),
  );
  app.get("/readyz", { config: { scope: "open" } }, async (_request, reply) =>
    answer(reply, await ready(), "ready", "NOT_READY"),
  );
  app.get("/metrics", { config: { scope: "metrics" } }, async (_request, reply) => {
    reply.type(registry.contentType);
    return registry.metrics();
  });
};

const answer = (
  reply: FastifyReply,
  checks: readonly ReadyCheck[],
  state: "alive" | "ready",
  code: ErrorCode,
) => {
  if (checks.every(({ ok, required }) => ok || !required)) return { status: state, checks };
  reply.code(503);
  return { status: `not ${state}`, ...errorBody(code), checks };
};
