// SPDX-License-Identifier: Apache-2.0
// Sets what all writing routes share: the write scope, responses that are not cached, and an audit line in any case.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isHsmPath } from "../../../hooks/formats.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { SecretStore } from "../store.ts";
import { auditRefusal, type WriteOperation } from "./audit.ts";

export type WriteRouteOptions = { store: SecretStore; metrics: AgentMetrics; device: string };

const PathParams = Type.Object({ "*": Type.String() });

/** The path of a request that may have failed any check. */
const pathOf = ({ params }: FastifyRequest): string | undefined =>
  Value.Check(PathParams, params) && isHsmPath(params["*"]) ? params["*"] : undefined;

/** The options of a route of `operation`, beside its schema. */
export const writeRoute = (operation: WriteOperation | ((request: FastifyRequest) => WriteOperation)) => ({
  config: { scope: "write" as const },
  onSend: async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.header("cache-control", "no-store");
  },
  onResponse: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const name = typeof operation === "string" ? operation : operation(request);
    auditRefusal(request, reply, name, pathOf(request));
  },
});
