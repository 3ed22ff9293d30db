// SPDX-License-Identifier: Apache-2.0
// Asks the agents of a set for their roles, and orders them: all at once, by the addresses of their pods, each within one deadline.
import type { Logger } from "pino";
import type { AgentReport, PlannedOrder, RoleQuestion, RoleReading } from "../../hooks/hsmdevice/index.ts";
import { type AgentRequest, callAgent } from "../agent-api/client.ts";
import { RoleBody } from "../agent-api/role-schema.ts";
import { type HttpPool, openHttpPool } from "../http/http-pool.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import { timeLimit } from "../time.ts";

/** What agents are ordered with. */
export type RoleAccess = {
  /** The first token of the file is sent. */
  tokenFile: string;
  /** Absent: the system's CAs are trusted. */
  caFile?: string;
  /** The name in the certificate that every agent shows, to the webhook and to the other agents. */
  serverName: string;
};

export type RoleClient = {
  /** Never throws; an agent that does not answer in time, or with something else, is not in the reading. */
  ask(questions: readonly RoleQuestion[], requestId: string): Promise<RoleReading>;
  /**
   * Sends the orders, and answers `before` with what came of them: the answer of an agent that took its order, and none of one that did
   * not answer. Where one was refused, what the agent said before stays. Never throws.
   */
  order(orders: readonly PlannedOrder[], before: RoleReading, requestId: string): Promise<RoleReading>;
  close(): Promise<void>;
};

export type RoleClientOptions = RoleAccess & {
  logger: Logger;
  /** For all agents together. Metacontroller waits 10 s for a hook. */
  askMs?: number;
  orderMs?: number;
};

const ASK_MS = 3000;
const ORDER_MS = 2000;
const MAX_ANSWER_BYTES = 256 * 1024;
/** Longer than the hooks wait until they ask again, so that a connection serves more than one call. */
const IDLE_MS = 15_000;

const body = compileSchema(RoleBody);

/** Where nobody says how to order agents, none has a role. */
export const noRoles: RoleClient = {
  ask: async () => new Map(),
  order: async (_, before) => before,
  close: async () => {},
};

/** @throws UnusableFile when the token or CA file can't be used at the start. */
export const createRoleClient = (options: RoleClientOptions): RoleClient => {
  const { logger, tokenFile, caFile, serverName, askMs = ASK_MS, orderMs = ORDER_MS } = options;
  const http = openHttpPool({
    tokenFile,
    ...(caFile !== undefined && { caFile }),
    serverName,
    connectTimeoutMs: askMs,
    connections: 4,
    idleMs: IDLE_MS,
    maxResponseBytes: MAX_ANSWER_BYTES,
    logger,
  });
  const call = async (
    { id, address }: RoleQuestion,
    request: Pick<AgentRequest, "method" | "body" | "requestId">,
    signal: AbortSignal,
  ): Promise<RoleAnswer> => {
    const answer = await callOne(http, { ...request, path: "/v1/role" }, `https://${address}`, signal);
    if (answer.kind !== "report") {
      const { requestId } = request;
      logger.warn({ device: id, address, requestId }, `${request.method} /v1/role: ${answer.message}`);
    }
    return answer;
  };
  return {
    async ask(questions, requestId) {
      const signal = timeLimit(askMs);
      const answers = await Promise.all(
        questions.map(async (question): Promise<[string, AgentReport][]> => {
          const answer = await call(question, { method: "GET", requestId }, signal);
          return answer.kind === "report" ? [[question.id, answer.report]] : [];
        }),
      );
      return new Map(answers.flat());
    },
    async order(orders, before, requestId) {
      const signal = timeLimit(orderMs);
      const after = new Map(before);
      await Promise.all(
        orders.map(async ({ order, ...question }) => {
          const sent = { ...order, serverName };
          const answer = await call(question, { method: "PUT", body: sent, requestId }, signal);
          if (answer.kind === "report") after.set(question.id, answer.report);
          if (answer.kind === "none") after.delete(question.id);
        }),
      );
      return after;
    },
    close: () => http.close(),
  };
};

type RoleAnswer =
  | { kind: "report"; report: AgentReport }
  /** By the protocol: what the agent says of itself counts on. */
  | { kind: "refused"; message: string }
  | { kind: "none"; message: string };

const callOne = async (
  http: HttpPool,
  request: AgentRequest,
  origin: string,
  signal: AbortSignal,
): Promise<RoleAnswer> => {
  const answer = await callAgent(http, request, { origin, signal });
  if (!("status" in answer)) return { kind: "none", message: answer.what };
  if (answer.status === 409) return { kind: "refused", message: "the order was refused" };
  if (answer.status !== 200) return { kind: "none", message: `answered ${answer.status}` };
  const report = jsonOf(answer.body);
  return body.Check(report)
    ? { kind: "report", report }
    : { kind: "none", message: "answered something else than its role" };
};
