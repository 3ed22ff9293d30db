// SPDX-License-Identifier: Apache-2.0
// Serves the three Toggle hooks: lets the pure functions decide, then logs, counts and posts events.
import type { AnyObject } from "../../hooks/kubernetes.ts";
import { FinalizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import type { HookContext } from "../../hooks/toggle/index.ts";
import * as toggle from "../../hooks/toggle/index.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import { rfc3339 } from "../time.ts";
import type { EventSink } from "./events.ts";
import { addCustomizeRoute, createHookReport, type HookMetrics } from "./hook-routes.ts";

export type ToggleRouteOptions = {
  events: Pick<EventSink, "post">;
  metrics: Pick<HookMetrics, "hook">;
  /** Whether a Toggle may make pods of its template. */
  templates: boolean;
  /** Whether the pods of Toggles are asked for. */
  pods: boolean;
  /** Seconds without progress after which a start is Degraded; 0: never. */
  startTimeoutSeconds: number;
  /** Wall clock. */
  clock: () => Date;
};

/** The hooks that decide: in one the Toggle is there, in the other it is to go. */
const DECIDING = [
  { hook: "sync", decide: toggle.sync, response: SyncResponse },
  { hook: "finalize", decide: toggle.finalize, response: FinalizeResponse },
] as const;

/** Adds POST /hooks/toggle/{customize,sync,finalize}. */
export const addToggleRoutes = (app: KeyswitchServer, options: ToggleRouteOptions): void => {
  const { events, metrics, templates, pods, startTimeoutSeconds, clock } = options;
  const context = (): HookContext => ({ now: rfc3339(clock()), templates, startTimeoutSeconds });
  const done = createHookReport({ resource: "toggle", events, metrics, quiet: ["Off", "Running"] });
  const customize = (parent: toggle.Toggle, controller: AnyObject) =>
    toggle.customize(parent, controller, pods);
  addCustomizeRoute(app, { resource: "toggle", body: toggle.ToggleCustomizeRequest, customize }, done);
  for (const { hook, decide, response: answer } of DECIDING) {
    app.post(
      `/hooks/toggle/${hook}`,
      { config: { scope: "hook" }, schema: { body: toggle.ToggleSyncRequest, response: { 200: answer } } },
      async (request) => {
        const startedAt = performance.now();
        const { response, outcome, events: told } = decide(toggle.assess(request.body, context()));
        done(request, request.body.parent, { hook, outcome, startedAt, events: told });
        return response;
      },
    );
  }
};
