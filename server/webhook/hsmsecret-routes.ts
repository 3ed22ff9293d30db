// SPDX-License-Identifier: Apache-2.0
// The three HSMSecret hooks over HTTP: plan a reading, do it, let the pure function decide, then log, count and post events.
import type { HookContext } from "../../hooks/hsmsecret/index.ts";
import * as hsmSecret from "../../hooks/hsmsecret/index.ts";
import { CustomizeResponse, FinalizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import type { PathPolicy } from "../../hooks/path-policy.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import type { AgentClient } from "./agent-client.ts";
import type { EventSink } from "./events.ts";
import type { HookMetrics } from "./hook-metrics.ts";
import { createHookReport, timestamp } from "./hook-report.ts";

export type HsmSecretRouteOptions = {
  agents: Pick<AgentClient, "read">;
  policy: () => PathPolicy;
  events: Pick<EventSink, "post">;
  metrics: HookMetrics;
  /** Wall clock. */
  clock: () => Date;
};

/** Adds POST /hooks/hsmsecret/{customize,sync,finalize}. */
export const addHsmSecretRoutes = (app: KeyswitchServer, options: HsmSecretRouteOptions): void => {
  const { agents, policy, events, metrics, clock } = options;
  const context = (): HookContext => ({ policy: policy(), now: timestamp(clock()) });

  const done = createHookReport({ resource: "hsmsecret", events, metrics, quiet: ["Synced"] });

  app.post(
    "/hooks/hsmsecret/customize",
    {
      config: { scope: "hook" },
      schema: { body: hsmSecret.HSMSecretCustomizeRequest, response: { 200: CustomizeResponse } },
    },
    async (request) => {
      const startedAt = performance.now();
      const { parent } = request.body;
      const response = hsmSecret.customize(parent);
      done(request, parent, { hook: "customize", outcome: "Customized", startedAt, events: [] });
      return response;
    },
  );

  app.post(
    "/hooks/hsmsecret/sync",
    {
      config: { scope: "hook" },
      schema: { body: hsmSecret.HSMSecretSyncRequest, response: { 200: SyncResponse } },
    },
    async (request) => {
      const startedAt = performance.now();
      // One context for the plan and the decision: a policy that changes in between must not split them.
      const during = context();
      const plan = hsmSecret.plan(request.body, during);
      const reading = plan.read ? await agents.read({ ...plan, requestId: request.id }) : undefined;
      if (reading?.outcome === "unavailable") metrics.unavailable(reading.code);
      const result = hsmSecret.sync(request.body, during, reading);
      metrics.synced(result.outcome);
      const { outcome } = result;
      const agent = reading !== undefined && "device" in reading ? reading.device : undefined;
      const code = reading?.outcome === "unavailable" ? reading.code : undefined;
      done(request, request.body.parent, {
        hook: "sync",
        outcome,
        agent,
        code,
        startedAt,
        events: result.events,
      });
      return result.response;
    },
  );

  app.post(
    "/hooks/hsmsecret/finalize",
    {
      config: { scope: "hook" },
      schema: { body: hsmSecret.HSMSecretSyncRequest, response: { 200: FinalizeResponse } },
    },
    async (request) => {
      const startedAt = performance.now();
      const { response, outcome, events: told } = hsmSecret.finalize(request.body, context());
      done(request, request.body.parent, { hook: "finalize", outcome, startedAt, events: told });
      return response;
    },
  );
};
