// SPDX-License-Identifier: Apache-2.0
// Serves POST /v1/repair: removes unreadable objects and those of interrupted writes, and rewrites damaged names.
import { RepairBody, RepairResults } from "../../agent-api/schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { startWriteAudit } from "./audit.ts";
import { failureOf, gatedWriteRoute, sendFailure, type WriteRouteOptions } from "./write-route.ts";

/** Adds the route. */
export const addRepairRoute = (app: KeyswitchServer, { store, metrics, device }: WriteRouteOptions): void => {
  app.post(
    "/v1/repair",
    {
      ...gatedWriteRoute("repair"),
      schema: { body: RepairBody, response: { 200: RepairResults, "4xx": ErrorBody, "5xx": ErrorBody } },
    },
    async (request, reply) => {
      const audit = startWriteAudit(request, metrics, "repair");
      const outcome = await store.repair(request.body.dryRun ?? false);
      if (outcome.kind === "unavailable") {
        audit({ outcome: outcome.code });
        return sendFailure(reply, failureOf(outcome));
      }
      const { results } = outcome;
      const failed = results.filter((one) => one.outcome === "failed").length;
      audit({ outcome: request.body.dryRun === true ? "named" : "repaired", count: results.length - failed });
      return { device, results };
    },
  );
};
