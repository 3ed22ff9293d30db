// SPDX-License-Identifier: Apache-2.0
// Serves the three HSMDevice hooks: asks discovery and agents what the pure functions want to know, sends the agents their orders,
// lets the functions decide, then logs, counts and posts events.

import * as hsmDevice from "../../hooks/hsmdevice/index.ts";
import { FinalizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import { rfc3339 } from "../time.ts";
import type { DiscoveryClient } from "./discovery-client.ts";
import type { EventSink } from "./events.ts";
import { addCustomizeRoute, createHookReport, type HookMetrics } from "./hook-routes.ts";
import { noRoles, type RoleClient } from "./role-client.ts";

export type HsmDeviceRouteOptions = {
  discovery: Pick<DiscoveryClient, "ask">;
  /** Without it no agent has a role. */
  roles?: Pick<RoleClient, "ask" | "order">;
  events: Pick<EventSink, "post">;
  metrics: Pick<HookMetrics, "hook">;
  /** Wall clock. */
  clock: () => Date;
};

/** Adds POST /hooks/hsmdevice/{customize,sync,finalize}. */
export const addHsmDeviceRoutes = (app: KeyswitchServer, options: HsmDeviceRouteOptions): void => {
  const { discovery, roles = noRoles, events, metrics, clock } = options;
  const context = (): hsmDevice.HookContext => ({
    now: rfc3339(clock()),
    givesRoles: roles !== noRoles,
  });
  const done = createHookReport({ resource: "hsmdevice", events, metrics, quiet: ["Ready", "Pending"] });
  const { HSMDeviceCustomizeRequest, HSMDeviceSyncRequest: body, customize } = hsmDevice;
  addCustomizeRoute(app, { resource: "hsmdevice", body: HSMDeviceCustomizeRequest, customize }, done);
  app.post(
    "/hooks/hsmdevice/sync",
    { config: { scope: "hook" }, schema: { body, response: { 200: SyncResponse } } },
    async (request) => {
      const startedAt = performance.now();
      const assessment = hsmDevice.assess(request.body, context());
      const [reading, told] = await Promise.all([
        discovery.ask(hsmDevice.plan(assessment), request.id),
        roles.ask(hsmDevice.planRoles(assessment), request.id),
      ]);
      const orders = hsmDevice.planOrders(hsmDevice.judge(assessment, reading, told));
      const taken = await roles.order(orders, told, request.id);
      const {
        response,
        outcome,
        events: posted,
      } = hsmDevice.sync(hsmDevice.judge(assessment, reading, taken));
      done(request, request.body.parent, { hook: "sync", outcome, startedAt, events: posted });
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
