// SPDX-License-Identifier: Apache-2.0
// Reads a path from the first agent that can answer for the token, in the configured order and within one deadline.
import type { Logger } from "pino";
import type { Reading } from "../../hooks/hsmsecret/reading.ts";
import { callAgent, secretRoute } from "../agent-api/client.ts";
import { type HttpPool, openHttpPool } from "../http/http-pool.ts";
import { timeLimit } from "../time.ts";
import { readingOf } from "./agent-answer.ts";
import type { AgentEndpoint } from "./agents.ts";

/** A reading of any agent, or of the one that `device` names. */
type ReadRequest = AgentRead & { device?: string };

/** What the last exchange with an agent came to. */
type AgentState = { name: string; ok: boolean; message: string };

export type AgentClient = {
  /** Never throws; what can't be read is "unavailable". */
  read(request: ReadRequest): Promise<Reading>;
  /** Each agent in order, as its last exchange left it. */
  states(): AgentState[];
  close(): Promise<void>;
};

export type AgentClientOptions = {
  agents: readonly AgentEndpoint[];
  tokenFile?: string;
  caFile?: string;
  logger: Logger;
  /** Told about each exchange: an outcome, or the code of an unavailable one. */
  onExchange?: (agent: string, outcome: string, elapsedMs: number) => void;
  /** For all agents of one reading together. Metacontroller waits 10 s for a hook. */
  budgetMs?: number;
  connectTimeoutMs?: number;
  maxResponseBytes?: number;
  /** Milliseconds, monotonic. */
  now?: () => number;
};

type Unavailable = Extract<Reading, { outcome: "unavailable" }>;

const CONNECTIONS = 32;

/** @throws UnusableFile when the token or CA file can't be used at the start. */
export const createAgentClient = (options: AgentClientOptions): AgentClient => {
  const { logger, onExchange, budgetMs = 8000, now = () => performance.now() } = options;
  const agents = options.agents.map(({ name, origin }) => ({
    name,
    http: openHttpPool({
      origin,
      ...(options.caFile !== undefined && { caFile: options.caFile }),
      ...(options.tokenFile !== undefined && { tokenFile: options.tokenFile }),
      connectTimeoutMs: options.connectTimeoutMs ?? 500,
      connections: CONNECTIONS,
      maxResponseBytes: options.maxResponseBytes ?? MAX_ANSWER_BYTES,
      logger,
      now,
    }),
    state: { ok: true, message: "not asked yet" },
  }));
  type Agent = (typeof agents)[number];

  const ask = async (agent: Agent, request: ReadRequest, timeoutMs: number): Promise<Reading> => {
    const startedAt = now();
    const reading = await readFromAgent(agent, request, timeoutMs);
    const failed = reading.outcome === "unavailable";
    agent.state = failed ? { ok: false, message: reading.message } : { ok: true, message: "answered" };
    onExchange?.(agent.name, failed ? reading.code : reading.outcome, now() - startedAt);
    return reading;
  };

  /** What an agent that hangs leaves for those after it: the time that is left is shared evenly by those to come. */
  const readInOrder = async (candidates: readonly Agent[], request: ReadRequest): Promise<Reading> => {
    const deadline = now() + budgetMs;
    const failures: Unavailable[] = [];
    for (const [index, agent] of candidates.entries()) {
      const slice = (deadline - now()) / (candidates.length - index);
      const reading = await ask(agent, request, slice);
      if (reading.outcome === "found" || reading.outcome === "unchanged") {
        return index === 0 ? reading : { ...reading, mirror: true };
      }
      // A mirror that lags must not be what removes a Secret: absence counts only where nobody before it failed.
      if (reading.outcome !== "unavailable" && failures.length === 0) return reading;
      failures.push(failureOf(agent, reading));
    }
    return combine(failures);
  };

  return {
    async read(request) {
      if (request.device === undefined) return readInOrder(agents, request);
      const named = agents.filter(({ name }) => name === request.device);
      return named.length > 0 ? readInOrder(named, request) : unknownAgent(request.device, agents);
    },
    states: () => agents.map(({ name, state }) => ({ name, ...state })),
    close: async () => {
      await Promise.all(agents.map(({ http }) => http.close()));
    },
  };
};

/** A reading that decides nothing, as a failure of the agent. */
const failureOf = ({ name }: { name: string }, reading: Reading): Unavailable =>
  reading.outcome === "unavailable"
    ? reading
    : {
        outcome: "unavailable",
        code: "AGENT_UNREACHABLE",
        message: `agent ${name} does not hold it, which does not count while one before it can't be asked.`,
      };

const unknownAgent = (device: string, agents: readonly { name: string }[]): Unavailable => ({
  outcome: "unavailable",
  code: "AGENT_UNKNOWN",
  message: `no agent is named ${device}; configured are ${agents.map(({ name }) => name).join(", ")}.`,
});

/** The first agent's code with everybody's message, and the earliest time at which trying again is of use. */
const combine = (failures: readonly Unavailable[]): Unavailable => {
  const advice = failures.flatMap(({ retryAfterSeconds }) => retryAfterSeconds ?? []);
  return {
    outcome: "unavailable",
    code: failures[0]?.code ?? "AGENT_UNKNOWN",
    message: failures.map(({ message }) => message).join(" ") || "no agent is configured.",
    ...(advice.length > 0 && { retryAfterSeconds: Math.min(...advice) }),
  };
};

/** What to read; the agent's API is server/agent-api/schema.ts. */
type AgentRead = {
  path: string;
  /** Checksum of what is there already; the agent then may answer "unchanged". */
  ifNoneMatch?: string;
  /** Asks for a view of the token that is loaded after the request. */
  fresh: boolean;
  /** Passed on, so that both logs share it. */
  requestId: string;
  /** Waits for room in memory for an answer of so many bytes, before any of it is read. False: there is none in time. */
  roomFor?: (bytes: number, signal: AbortSignal) => Promise<boolean>;
};

/** The most that is read of an answer. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** The reading of one agent within `timeoutMs`. */
const readFromAgent = async (
  agent: { name: string; http: HttpPool },
  { path, ifNoneMatch, fresh, requestId, roomFor }: AgentRead,
  timeoutMs: number,
): Promise<Reading> => {
  const asked = { path, ...(ifNoneMatch !== undefined && { ifNoneMatch }) };
  const answer = await callAgent(
    agent.http,
    { ...asked, method: "GET", path: secretRoute(path), fresh, requestId },
    {
      signal: timeLimit(timeoutMs),
      // Without a length it may be all that is read of an answer.
      ...(roomFor && { roomFor: (bytes = MAX_ANSWER_BYTES, signal) => roomFor(bytes, signal) }),
    },
  );
  if ("status" in answer) return readingOf({ agent: agent.name, ...asked }, answer);
  return {
    outcome: "unavailable",
    code: answer.kind === "refused" ? "AGENT_REFUSED" : "AGENT_UNREACHABLE",
    message: `agent ${agent.name} ${answer.what}.`,
  };
};
