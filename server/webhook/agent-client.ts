// SPDX-License-Identifier: Apache-2.0
// Reads a path from the first agent that can answer for the token, in the configured order, in sets by their roles, and within
// one deadline.
import type { Logger } from "pino";
import { answererName, type Reading, type Standing } from "../../hooks/hsmsecret/index.ts";
import {
  type AgentRequest,
  callAgent,
  type NoAnswer,
  secretRoute,
  type WireAnswer,
} from "../agent-api/client.ts";
import { openHttpPool } from "../http/http-pool.ts";
import { withinTime } from "../time.ts";
import { readingOf } from "./agent-answers.ts";
import { type AgentSet, type AgentSets, CONNECTIONS, MAX_ANSWER_BYTES } from "./agent-set.ts";
import type { AgentEndpoint } from "./config.ts";
import type { MemberCallOptions } from "./member-connection.ts";

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
  /** Those of the agents that are sets; without them none is. They are closed with the client. */
  sets?: AgentSets;
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

/** Sends a request to one agent. */
type Call = (request: AgentRequest, options: MemberCallOptions) => Promise<WireAnswer | NoAnswer>;

/** One agent that can be asked now. */
type Candidate = { readonly standing?: Standing; readonly call: Call };

/** What one name of AGENTS stands for. */
type Agent = {
  readonly name: string;
  state: { ok: boolean; message: string };
  /** In the order in which they are asked. */
  candidates(): Promise<readonly Candidate[]> | readonly Candidate[];
  close(): Promise<void>;
};

/** @throws UnusableFile when the token or CA file can't be used at the start. */
const openAgent = ({ name, origin }: AgentEndpoint, options: AgentClientOptions): Agent => {
  const { tokenFile, caFile, logger, now } = options;
  const http = openHttpPool({
    origin,
    ...(caFile !== undefined && { caFile }),
    ...(tokenFile !== undefined && { tokenFile }),
    ...(now !== undefined && { now }),
    connectTimeoutMs: options.connectTimeoutMs ?? 500,
    connections: CONNECTIONS,
    maxResponseBytes: options.maxResponseBytes ?? MAX_ANSWER_BYTES,
    logger,
  });
  const only = [{ call: (request: AgentRequest, how: MemberCallOptions) => callAgent(http, request, how) }];
  return { name, state: { ...NOT_ASKED }, candidates: () => only, close: () => http.close() };
};

const NOT_ASKED = { ok: true, message: "not asked yet" };

const agentOfSet = (set: AgentSet): Agent => ({
  name: set.name,
  state: { ...NOT_ASKED },
  candidates: () => set.members(),
  close: () => set.close(),
});

/** @throws UnusableFile when the token or CA file can't be used at the start. */
export const createAgentClient = (options: AgentClientOptions): AgentClient => {
  const { sets, onExchange, budgetMs = 8000, now = () => performance.now() } = options;
  const agents = options.agents.map((endpoint) => {
    const set = sets?.get(endpoint.name);
    return set === undefined ? openAgent(endpoint, options) : agentOfSet(set);
  });

  const ask = async (
    agent: Agent,
    candidate: Candidate,
    request: ReadRequest,
    timing: Timing,
  ): Promise<Reading> => {
    const startedAt = now();
    const reading = await readFromAgent(agent.name, candidate, request, timing);
    const failed = reading.outcome === "unavailable";
    agent.state = failed ? { ok: false, message: reading.message } : { ok: true, message: "answered" };
    onExchange?.(agent.name, failed ? reading.code : reading.outcome, now() - startedAt);
    return reading;
  };

  /** What an agent that hangs leaves for those after it: the time that is left is shared evenly by those to come. */
  const readInOrder = async (asked: readonly Agent[], request: ReadRequest): Promise<Reading> => {
    const deadline = now() + budgetMs;
    const failures: Unavailable[] = [];
    for (const [index, agent] of asked.entries()) {
      const failedBefore = failures.length > 0;
      const later = asked.length - index - 1;
      const candidates = await agent.candidates();
      if (candidates.length === 0) failures.push(withoutAddress(agent));
      for (const [place, candidate] of candidates.entries()) {
        const rest = candidates.length - place + later;
        const timing = {
          timeoutMs: (deadline - now()) / rest,
          isOnly: candidates.length === 1 && asked.length === 1,
        };
        const reading = await ask(agent, candidate, request, timing);
        const settled = settledBy(reading, failedBefore);
        if (settled !== undefined) return settled;
        failures.push(asFailure(agent, reading));
      }
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
      await Promise.all(agents.map((agent) => agent.close()));
    },
  };
};

const isPrimary = (reading: Exclude<Reading, Unavailable>): boolean =>
  reading.standing === undefined || reading.standing.role === "primary";

/**
 * `reading` where it ends the asking. A mirror that lags must not be what removes a Secret: absence counts only of the first agent, or
 * of the primary of its set, and only where no agent before it failed.
 */
const settledBy = (reading: Reading, failedBefore: boolean): Reading | undefined => {
  if (reading.outcome === "unavailable") return undefined;
  const counts = isPrimary(reading) && !failedBefore;
  if (reading.outcome === "absent") return counts ? reading : undefined;
  return counts ? reading : { ...reading, mirror: true };
};

/** A reading that decides nothing, as a failure of the agent. */
const asFailure = ({ name }: Agent, reading: Reading): Unavailable => {
  if (reading.outcome === "unavailable") return reading;
  const why = isPrimary(reading)
    ? "while one before it can't be asked"
    : "where the primary of the set can't be asked";
  return {
    outcome: "unavailable",
    code: "AGENT_UNREACHABLE",
    message: `agent ${reading.standing === undefined ? name : answererName(reading)} does not hold it, which does not count ${why}.`,
  };
};

const withoutAddress = ({ name }: Agent): Unavailable => ({
  outcome: "unavailable",
  code: "AGENT_UNREACHABLE",
  message: `agent ${name} can't be reached (its name has no address).`,
});

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

/** `isOnly`: nobody else is there to be asked. */
type Timing = { timeoutMs: number; isOnly: boolean };

/** The reading of one agent within its time. */
const readFromAgent = async (
  device: string,
  { standing, call }: Candidate,
  { path, ifNoneMatch, fresh, requestId, roomFor }: AgentRead,
  { timeoutMs, isOnly }: Timing,
): Promise<Reading> => {
  const who = answererName({ device, ...(standing && { standing }) });
  const asked = { path, ...(ifNoneMatch !== undefined && { ifNoneMatch }) };
  const answer = await withinTime(timeoutMs, (signal) =>
    call(
      { ...asked, method: "GET", path: secretRoute(path), fresh, requestId },
      {
        signal,
        isPatient: isOnly,
        // Without a length it may be all that is read of an answer.
        ...(roomFor && { roomFor: (bytes = MAX_ANSWER_BYTES, late) => roomFor(bytes, late) }),
      },
    ),
  );
  if ("status" in answer) {
    const reading = readingOf({ agent: device, ...asked, who }, answer);
    return standing === undefined || reading.outcome === "unavailable" ? reading : { ...reading, standing };
  }
  return {
    outcome: "unavailable",
    code: answer.kind === "refused" ? "AGENT_REFUSED" : "AGENT_UNREACHABLE",
    message: `agent ${who} ${answer.what}.`,
  };
};
