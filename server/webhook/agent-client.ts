// SPDX-License-Identifier: Apache-2.0
// Reads a path from the first agent that can answer for the token, in the configured order and within one deadline, and parses
// the answers.
import type { Logger } from "pino";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import { codesOf, type ErrorCode, errors } from "../../hooks/error-codes.ts";
import { isBase64 } from "../../hooks/formats.ts";
import type { Reading } from "../../hooks/hsmsecret/reading.ts";
import { callAgent, secretRoute, type WireAnswer } from "../agent-api/client.ts";
import { SecretBody } from "../agent-api/schema.ts";
import { retryAfterSeconds } from "../http/connection-fault.ts";
import { ErrorBody } from "../http/error-body.ts";
import { type HttpPool, openHttpPool } from "../http/http-pool.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import { timeLimit } from "../time.ts";
import type { AgentEndpoint } from "./config.ts";

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
      failures.push(asFailure(agent, reading));
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
const asFailure = ({ name }: { name: string }, reading: Reading): Unavailable =>
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

/** What was asked of which agent. `ifNoneMatch` is a checksum. */
export type AgentReadRequest = { agent: string; path: string; ifNoneMatch?: string };

const secretBody = compileSchema(SecretBody);
const errorBody = compileSchema(ErrorBody);

/** The codes with which an agent says that its token can't be read. */
export const TOKEN_FAULTS = codesOf("token-unreadable", "path-unreadable");

/** Retry-After of more seconds than this is not believed. */
const MAX_RETRY_AFTER_SECONDS = 3600;

/**
 * The reading that an answer comes to. Only a body whose checksum is right for the asked path is data, and only the
 * agent's own SECRET_NOT_FOUND is absence; a proxy's 404 or a cut body is "unavailable". No text of the agent is passed on.
 */
export const readingOf = (asked: AgentReadRequest, answer: WireAnswer): Reading => {
  switch (answer.status) {
    case 200:
      return foundOf(asked, answer);
    case 304:
      return asked.ifNoneMatch !== undefined && etagFits(asked.ifNoneMatch, answer.headers.etag)
        ? { outcome: "unchanged", device: asked.agent }
        : refused(asked, "answered 304 to something else than was asked");
    case 401:
    case 403:
      return refused(asked, `refused the webhook's credentials (HTTP ${answer.status})`);
    case 404:
      return errorOf(answer)?.code === "SECRET_NOT_FOUND"
        ? { outcome: "absent", device: asked.agent }
        : refused(asked, "answered 404 without SECRET_NOT_FOUND: is its address right?");
    default:
      return failureOf(asked, answer);
  }
};

const foundOf = (asked: AgentReadRequest, answer: WireAnswer): Reading => {
  const body = jsonOf(answer.body);
  if (!secretBody.Check(body)) return refused(asked, "answered something that is not a secret");
  // No secret is without keys: it would empty the Secret, whatever the deletion policy says.
  if (Object.keys(body.data).length === 0) return refused(asked, "answered a secret without keys");
  if (body.path !== asked.path) return refused(asked, "answered for another path");
  if (!Object.values(body.data).every(isBase64)) return refused(asked, "answered a value that is not base64");
  if (checksumOfBase64(body.data) !== body.checksum) {
    return refused(asked, "answered data that does not fit its checksum");
  }
  if (!etagFits(body.checksum, answer.headers.etag)) {
    return refused(asked, "answered an ETag that does not fit the data");
  }
  const { data, checksum, version, metadata } = body;
  const source = metadata?.source;
  return {
    outcome: "found",
    data,
    checksum,
    version,
    device: asked.agent,
    ...(source !== undefined && { source }),
  };
};

const failureOf = (asked: AgentReadRequest, answer: WireAnswer): Reading => {
  const known = answeredCode(answer, TOKEN_FAULTS);
  const advice = adviceOf(answer);
  if (known !== undefined) {
    return {
      outcome: "unavailable",
      code: known,
      message: `agent ${asked.agent}: ${errors[known].text}`,
      ...advice,
    };
  }
  return { ...refused(asked, `answered HTTP ${answer.status}`), ...advice };
};

const refused = (asked: AgentReadRequest, what: string): Extract<Reading, { outcome: "unavailable" }> => ({
  outcome: "unavailable",
  code: "AGENT_REFUSED",
  message: `agent ${asked.agent} ${what}.`,
});

/** An ETag may be left out by a proxy; one that is there must be the strong or weak tag of the checksum. */
const etagFits = (checksum: string, etag: string | string[] | undefined): boolean =>
  etag === undefined || etag === `"${checksum}"` || etag === `W/"${checksum}"`;

/** The error that the agent answered, if it is one. */
export const errorOf = (answer: WireAnswer): ErrorBody | undefined => {
  const body = jsonOf(answer.body);
  return errorBody.Check(body) ? body : undefined;
};

/** That of `codes` which the agent answered, with the status that it has. */
export const answeredCode = <C extends ErrorCode>(answer: WireAnswer, codes: readonly C[]): C | undefined => {
  const code = errorOf(answer)?.code;
  return codes.find((one) => one === code && errors[one].status === answer.status);
};

/** When the agent says that trying again is of use, where that can be believed. */
export const adviceOf = ({ headers }: WireAnswer): { retryAfterSeconds?: number } => {
  const seconds = retryAfterSeconds(headers["retry-after"]);
  return seconds !== undefined && seconds <= MAX_RETRY_AFTER_SECONDS ? { retryAfterSeconds: seconds } : {};
};
