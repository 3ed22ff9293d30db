// SPDX-License-Identifier: Apache-2.0
// The routes that every process has: /healthz, /readyz and /metrics.
import type { Registry } from "prom-client";
import { errorBody } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";

/** One dependency. Only a `required` one that is not ok makes the process unready. */
export type ReadyCheck = { name: string; ok: boolean; required: boolean; message?: string };

/** Looks at the dependencies; must not throw and must answer within a probe's second. */
export type Readiness = () => readonly ReadyCheck[] | Promise<readonly ReadyCheck[]>;

/** Adds the three routes. The first two are open, because the kubelet's probes carry no credentials. */
export const addProbes = (app: KeyswitchServer, options: { registry: Registry; ready: Readiness }): void => {
  app.get("/healthz", { config: { scope: "open" } }, async () => ({ status: "alive" }));
  app.get("/readyz", { config: { scope: "open" } }, async (_request, reply) => {
    const checks = await options.ready();
    if (checks.every(({ ok, required }) => ok || !required)) return { status: "ready", checks };
    reply.code(503);
    return { status: "not ready", ...errorBody("NOT_READY"), checks };
  });
  app.get("/metrics", { config: { scope: "metrics" } }, async (_request, reply) => {
    reply.type(options.registry.contentType);
    return options.registry.metrics();
  });
};
