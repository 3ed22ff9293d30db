// SPDX-License-Identifier: Apache-2.0
// Serves the three HSMDevice hooks: asks discovery and agents what the pure functions want to know, sends the agents their orders,
// lets the functions decide, then logs, counts and posts events.

import * as hsmDevice from "../../hooks/hsmdevice/index.ts";
import { FinalizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import { sendError } from "../http/errors.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import { rfc3339 } from "../time.ts";
import type { DiscoveryClient } from "./discovery-client.ts";
import type { EventSink } from "./events.ts";
import { addCustomizeRoute, createHookReport, type HookMetrics } from "./hook-routes.ts";
import { LossWatch } from "./loss-watch.ts";
import { noRoles, type RoleClient } from "./role-client.ts";
import { noStatusCheck, type StatusCheck } from "./status-check.ts";

export type HsmDeviceRouteOptions = {
  discovery: Pick<DiscoveryClient, "ask">;
  /** Without it no agent has a role. */
  roles?: Pick<RoleClient, "ask" | "order">;
  /** Without it the status of a hook's body is believed. */
  statuses?: Pick<StatusCheck, "age">;
  events: Pick<EventSink, "post">;
  metrics: Pick<HookMetrics, "hook">;
  /** Wall clock. */
  clock: () => Date;
  /** Milliseconds. */
  monotonic?: () => number;
};

/** Adds POST /hooks/hsmdevice/{customize,sync,finalize}. */
export const addHsmDeviceRoutes = (app: KeyswitchServer, options: HsmDeviceRouteOptions): void => {
  const { discovery, roles = noRoles, statuses = noStatusCheck, events, metrics, clock } = options;
  const { monotonic = () => performance.now() } = options;
  const losses = new LossWatch();
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
    async (request, reply) => {
      const startedAt = performance.now();
      const { uid } = request.body.parent.metadata;
      const knownAt = monotonic();
      const given = hsmDevice.assess(request.body, context());
      const lostSeconds = losses.seconds({ uid, since: given.before.unreachableSince }, knownAt);
      const assessment = {
        ...given,
        context: { ...given.context, ...(lostSeconds !== undefined && { lostSeconds }) },
      };
      const asked = hsmDevice.planRoles(assessment);
      const [age, reading, told] = await Promise.all([
        // Of a set also where nobody can be asked: what is answered takes the place of what decides.
        given.spec.mirroring === undefined ? "current" : statuses.age(request.body.parent),
        discovery.ask(hsmDevice.plan(assessment), request.id),
        roles.ask(asked, request.id),
      ]);
      if (age === "outdated") return sendError(reply, "STATUS_OUTDATED", { retryAfterSeconds: 1 });
      const planned = hsmDevice.planOrders(hsmDevice.judge(assessment, reading, told));
      // Writes are granted from a status that was read back; a mirror's role can't do any harm.
      const orders = age === "current" ? planned : planned.filter(({ order }) => order.role === "mirror");
      const taken = await roles.order(orders, told, request.id);
      const {
        response,
        outcome,
        events: posted,
      } = hsmDevice.sync(hsmDevice.judge(assessment, reading, taken));
      const since = response.status?.unreachableSince;
      // An answer may not become the status: a loss is over when a status that was read back no longer has it.
      if (typeof since === "string") losses.seconds({ uid, since }, knownAt);
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
      losses.forget(request.body.parent.metadata.uid);
      done(request, request.body.parent, { hook: "finalize", outcome, startedAt, events: told });
      return response;
    },
  );
};
