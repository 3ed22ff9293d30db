// SPDX-License-Identifier: Apache-2.0
// Serves GET and PUT /v1/role: what an agent is in its set of HSMs, and the orders that say so.
import type { FastifyReply } from "fastify";
import { RoleBody, RoleOrder } from "../../agent-api/role-schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { AgentRole, OrderResult } from "../role/agent-role.ts";
import { startWriteAudit } from "./audit.ts";
import { type Failure, failureOf, sendFailure, writeRoute } from "./write-route.ts";

export type RoleRouteOptions = { role: AgentRole; metrics: AgentMetrics };

const failureOfOrder = (result: Exclude<OrderResult, { kind: "taken" }>): Failure => {
  if (result.kind === "refused") return { code: result.code };
  return failureOf(result.kind === "failed" ? result.result : result);
};

/** Adds the two routes. */
export const addRoleRoutes = (app: KeyswitchServer, { role, metrics }: RoleRouteOptions): void => {
  const failures = { "4xx": ErrorBody, "5xx": ErrorBody };
  app.get(
    "/v1/role",
    { config: { scope: "role-view" }, schema: { response: { 200: RoleBody, ...failures } } },
    async (_request, reply) => {
      reply.header("cache-control", "no-store");
      return role.told();
    },
  );
  app.put(
    "/v1/role",
    {
      ...writeRoute("role", "role"),
      schema: { body: RoleOrder, response: { 200: RoleBody, ...failures } },
    },
    async (request, reply) => {
      const { body: order } = request;
      const audit = startWriteAudit(request, metrics, "role");
      const result = await role.order(order);
      if (result.kind !== "taken") {
        const failure = failureOfOrder(result);
        audit({ outcome: failure.code });
        return sendFailure(reply, failure);
      }
      // An order that renews a lease comes every few seconds and says nothing.
      if (result.isNew) {
        audit({ outcome: order.role });
        const { set, epoch, primary, member } = order;
        request.log.info({ set, epoch, primary, member, role: order.role }, "the agent has a new role");
      }
      const done: FastifyReply = reply;
      return done.send(await role.told());
    },
  );
};
