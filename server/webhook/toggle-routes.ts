// SPDX-License-Identifier: Apache-2.0
// The three Toggle hooks over HTTP: let the pure function decide, then log, count and post events.
import { CustomizeResponse, FinalizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import type { HookContext } from "../../hooks/toggle/index.ts";
import * as toggle from "../../hooks/toggle/index.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import { rfc3339 } from "../time.ts";
import type { EventSink } from "./events.ts";
import type { HookMetrics } from "./hook-metrics.ts";
import { createHookReport } from "./hook-report.ts";

export type ToggleRouteOptions = {
  events: Pick<EventSink, "post">;
  metrics: Pick<HookMetrics, "hook">;
  /** Whether a Toggle may make pods of its template. */
  templates: boolean;
  /** Wall clock. */
  clock: () => Date;
};

/** Adds POST /hooks/toggle/{customize,sync,finalize}. */
export const addToggleRoutes = (app: KeyswitchServer, options: ToggleRouteOptions): void => {
  const { events, metrics, templates, clock } = options;
  const context = (): HookContext => ({ now: rfc3339(clock()), templates });

  const done = createHookReport({ resource: "toggle", events, metrics, quiet: ["Off", "Running"] });

  app.post(
    "/hooks/toggle/customize",
    {
      config: { scope: "hook" },
      schema: { body: toggle.ToggleCustomizeRequest, response: { 200: CustomizeResponse } },
    },
    async (request) => {
      const startedAt = performance.now();
      const { parent } = request.body;
      const response = toggle.customize(parent);
      done(request, parent, { hook: "customize", outcome: "Customized", startedAt, events: [] });
      return response;
    },
  );

  app.post(
    "/hooks/toggle/sync",
    {
      config: { scope: "hook" },
      schema: { body: toggle.ToggleSyncRequest, response: { 200: SyncResponse } },
    },
    async (request) => {
      const startedAt = performance.now();
      const { response, outcome, events: told } = toggle.sync(toggle.assess(request.body, context()));
      done(request, request.body.parent, { hook: "sync", outcome, startedAt, events: told });
      return response;
    },
  );

  app.post(
    "/hooks/toggle/finalize",
    {
      config: { scope: "hook" },
      schema: { body: toggle.ToggleSyncRequest, response: { 200: FinalizeResponse } },
    },
    async (request) => {
      const startedAt = performance.now();
      const { response, outcome, events: told } = toggle.finalize(toggle.assess(request.body, context()));
      done(request, request.body.parent, { hook: "finalize", outcome, startedAt, events: told });
      return response;
    },
  );
};
