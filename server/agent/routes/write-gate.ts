// SPDX-License-Identifier: Apache-2.0
// Answers the writes that the role of an agent does not allow: refuses them, or hands them on from a mirror to its primary.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { RoleOrder } from "../../agent-api/role-schema.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { AgentRole } from "../role/agent-role.ts";
import { HANDED_ON_BY, type HandedOn } from "../role/handed-on.ts";
import type { PeerClient } from "../role/peer-client.ts";
import { notTaken } from "../role/write-refusal.ts";
import { startWriteAudit, type WriteOperation } from "./audit.ts";
import { failureOf, sendFailure } from "./write-route.ts";

export type WriteGateOptions = {
  /** Absent: the agent belongs to no set, and nothing is refused. */
  role?: AgentRole;
  peers?: PeerClient;
  metrics: AgentMetrics;
};

const OPERATIONS: Readonly<Record<string, WriteOperation>> = { PUT: "put", PATCH: "patch", DELETE: "delete" };

/** What a mirror hands on. Layouts and repairs are those of one token. */
const handedOnAs = ({ method, routeOptions: { url } }: FastifyRequest): WriteOperation | undefined => {
  if (url === "/v1/import") return "import";
  return url === "/v1/secrets/*" ? OPERATIONS[method] : undefined;
};

/** Whether a repair only names what it would do. */
const isHarmless = ({ body }: FastifyRequest): boolean =>
  typeof body === "object" && body !== null && "dryRun" in body && body.dryRun === true;

/** Answers what the primary answered. */
export const sendHandedOn = (reply: FastifyReply, answer: HandedOn): FastifyReply => {
  for (const name of ["etag", "retry-after"] as const) {
    const value = answer.headers[name];
    if (typeof value === "string") reply.header(name, value);
  }
  reply.code(answer.status).type("application/json; charset=utf-8");
  return reply.serializer((text: string) => text).send(answer.body);
};

/** Adds the gate, which gatedWriteRoute asks. */
export const addWriteGate = (app: KeyswitchServer, { role, peers, metrics }: WriteGateOptions): void => {
  const handOn = async (
    request: FastifyRequest,
    reply: FastifyReply,
    { operation, order, peers: to }: { operation: WriteOperation; order: RoleOrder; peers: PeerClient },
  ): Promise<FastifyReply> => {
    const audit = startWriteAudit(request, metrics, operation);
    const path = (request.params as { "*"?: string })["*"];
    const answer = await to.handOn(order, request);
    const told = { ...(path !== undefined && { path }) };
    if ("failure" in answer) {
      audit({ ...told, outcome: answer.failure.code });
      return sendFailure(reply, answer.failure);
    }
    audit({ ...told, outcome: "handed-on" });
    return sendHandedOn(reply, answer);
  };
  app.decorate("writeGate", async (request, reply) => {
    const right = role?.right();
    if (right === undefined || right.kind === "granted" || isHarmless(request)) return undefined;
    const operation = handedOnAs(request);
    const isFirstHop = request.headers[HANDED_ON_BY] === undefined;
    if (right.kind === "not-primary" && right.order.policy === "Active" && operation && peers && isFirstHop) {
      return handOn(request, reply, { operation, order: right.order, peers });
    }
    return sendFailure(reply, failureOf(notTaken(right)));
  });
};
