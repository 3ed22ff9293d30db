// SPDX-License-Identifier: Apache-2.0
// Reports a finished hook call: a log line, metrics and the events.
import type { TSchema } from "@sinclair/typebox";
import type { FastifyRequest } from "fastify";
import type { HookEvent } from "../../hooks/hook-result.ts";
import { CustomizeResponse } from "../../hooks/metacontroller.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import type { EventParent, EventSink } from "./events.ts";
import type { HookMetrics } from "./hook-metrics.ts";

export type HookReportOptions = {
  /** As in the route: `hsmsecret` for /hooks/hsmsecret/…. */
  resource: string;
  events: Pick<EventSink, "post">;
  metrics: Pick<HookMetrics, "hook">;
  /** Outcomes that say nothing worth a line at info when no event came with them. */
  quiet: readonly string[];
};

/** What one hook call came to. `startedAt` is monotonic milliseconds. */
type HookCall = {
  hook: "customize" | "sync" | "finalize";
  outcome: string;
  startedAt: number;
  events: readonly HookEvent[];
  agent?: string | undefined;
  code?: string | undefined;
};

export type HookReport = (request: FastifyRequest, parent: EventParent, call: HookCall) => void;

/** Tells of each call of one resource's hooks. */
export const createHookReport = (options: HookReportOptions): HookReport => {
  const { resource, events, metrics } = options;
  const quiet = new Set([...options.quiet, "Customized"]);
  return (request, parent, { hook, outcome, startedAt, events: told, agent, code }) => {
    const elapsedMs = performance.now() - startedAt;
    const name = `${resource}/${hook}`;
    metrics.hook(name, outcome, elapsedMs);
    for (const event of told) events.post(parent, event);
    const level = told.length === 0 && quiet.has(outcome) ? "debug" : "info";
    request.log[level](
      {
        hook: name,
        object: `${parent.metadata.namespace}/${parent.metadata.name}`,
        outcome,
        agent,
        code,
        durationMs: Math.round(elapsedMs * 10) / 10,
      },
      "hook",
    );
  };
};

/** The customize hook of one resource. */
type CustomizeRoute<P extends EventParent> = {
  resource: string;
  body: TSchema & { static: { parent: P } };
  customize: (parent: P) => CustomizeResponse;
};

/** Adds POST /hooks/<resource>/customize. */
export const addCustomizeRoute = <P extends EventParent>(
  app: KeyswitchServer,
  { resource, body, customize }: CustomizeRoute<P>,
  done: HookReport,
): void => {
  app.post<{ Body: { parent: P } }>(
    `/hooks/${resource}/customize`,
    { config: { scope: "hook" }, schema: { body, response: { 200: CustomizeResponse } } },
    async (request) => {
      const startedAt = performance.now();
      const { parent } = request.body;
      const response = customize(parent);
      done(request, parent, { hook: "customize", outcome: "Customized", startedAt, events: [] });
      return response;
    },
  );
};
