// SPDX-License-Identifier: Apache-2.0
// Serves the three HSMDevice hooks: asks discovery what the pure functions want to know, lets them decide, then logs, counts and
// posts events.

import * as hsmDevice from "../../hooks/hsmdevice/index.ts";
import { FinalizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import { rfc3339 } from "../time.ts";
import type { DiscoveryClient } from "./discovery-client.ts";
import type { EventSink } from "./events.ts";
import { addCustomizeRoute, createHookReport, type HookMetrics } from "./hook-routes.ts";

export type HsmDeviceRouteOptions = {
  discovery: Pick<DiscoveryClient, "ask">;
  events: Pick<EventSink, "post">;
  metrics: Pick<HookMetrics, "hook">;
  /** Wall clock. */
  clock: () => Date;
};

/** Adds POST /hooks/hsmdevice/{customize,sync,finalize}. */
export const addHsmDeviceRoutes = (app: KeyswitchServer, options: HsmDeviceRouteOptions): void => {
  const { discovery, events, metrics, clock } = options;
  const context = (): hsmDevice.HookContext => ({ now: rfc3339(clock()) });
  const done = createHookReport({ resource: "hsmdevice", events, metrics, quiet: ["Ready", "Pending"] });
  const { HSMDeviceCustomizeRequest, HSMDeviceSyncRequest: body, customize } = hsmDevice;
  addCustomizeRoute(app, { resource: "hsmdevice", body: HSMDeviceCustomizeRequest, customize }, done);
  app.post(
    "/hooks/hsmdevice/sync",
    { config: { scope: "hook" }, schema: { body, response: { 200: SyncResponse } } },
    async (request) => {
      const startedAt = performance.now();
      const assessment = hsmDevice.assess(request.body, context());
      const reading = await discovery.ask(hsmDevice.plan(assessment), request.id);
      const { response, outcome, events: told } = hsmDevice.sync(hsmDevice.judge(assessment, reading));
      done(request, request.body.parent, { hook: "sync", outcome, startedAt, events: told });
      return response;
    },
  );
  app.post(
    "/hooks/hsmdevice/finalize",
    { config: { scope: "hook" }, schema: { body, response: { 200: FinalizeResponse } } },
    async (request) => {
      const startedAt = performance.now();
      const {
        response,
        outcome,
        events: told,
      } = hsmDevice.finalize(hsmDevice.assess(request.body, context()));
      done(request, request.body.parent, { hook: "finalize", outcome, startedAt, events: told });
      return response;
    },
  );
};
