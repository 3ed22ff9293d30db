// SPDX-License-Identifier: Apache-2.0
// Writes to and removes from the token of one agent, with the write token and a deadline; only the agent's own word about the
// request counts as done, and every failure becomes an outcome.
import type { Logger } from "pino";
import { codesOf, type ErrorCode, errors } from "../../hooks/error-codes.ts";
import {
  answererName,
  type Removal,
  type RemovalOutcome,
  type Write,
  type WriteOutcome,
} from "../../hooks/hsmsecret/index.ts";
import {
  type AgentRequest,
  callAgent,
  type NoAnswer,
  secretRoute,
  type WireAnswer,
} from "../agent-api/client.ts";
import { DeleteBody, WriteBody } from "../agent-api/schema.ts";
import { openHttpPool } from "../http/http-pool.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import { timeLimit } from "../time.ts";
import { adviceOf, answeredCode, errorOf, TOKEN_FAULTS } from "./agent-answers.ts";
import { type AgentSet, type AgentSets, type SetMember, serverNameOf } from "./agent-set.ts";
import type { AgentEndpoint } from "./config.ts";

/** What every request to an agent carries beside what it asks; `requestId` is passed on, so that both logs share it. */
type WriteOptions = { requestId: string; timeoutMs: number };

export type AgentWriter = {
  /** Never throws. The write goes to the agent that gave the reading, and to no other; of a set, to its primary. */
  write(write: Write, options: WriteOptions): Promise<WriteOutcome>;
  /** Never throws. Removes from the agent that `device` names, or from the first. */
  remove(removal: Removal, options: WriteOptions): Promise<RemovalOutcome>;
  close(): Promise<void>;
};

export type AgentWriterOptions = {
  agents: readonly AgentEndpoint[];
  /** Those of the agents that are sets; without them none is. */
  sets?: AgentSets;
  /** Without it nothing is written. */
  tokenFile?: string;
  caFile?: string;
  logger: Logger;
  connectTimeoutMs?: number;
  /** Milliseconds, monotonic. */
  now?: () => number;
};

type Failure = Extract<RemovalOutcome, { outcome: "refused" | "unavailable" }>;

const CONNECTIONS = 4;
const MAX_RESPONSE_BYTES = 64 * 1024;

/** @throws UnusableFile when the token or CA file can't be used at the start. */
export const createAgentWriter = (options: AgentWriterOptions): AgentWriter => {
  const { tokenFile, caFile, logger } = options;
  const agents =
    tokenFile === undefined
      ? undefined
      : options.agents.map(({ name, origin }) => ({
          name,
          set: options.sets?.get(name),
          http: openHttpPool({
            ...writeOrigin({ name, origin }, options.sets),
            tokenFile,
            ...(caFile !== undefined && { caFile }),
            connectTimeoutMs: options.connectTimeoutMs ?? 500,
            connections: CONNECTIONS,
            maxResponseBytes: MAX_RESPONSE_BYTES,
            logger,
            ...(options.now !== undefined && { now: options.now }),
          }),
        }));

  const send = async <O extends { outcome: string }>(
    device: string | undefined,
    request: AgentRequest,
    { requestId, timeoutMs }: WriteOptions,
    outcomeOf: (agent: string, answer: WireAnswer) => O,
    late: (agent: string) => O | Failure = (agent) => unreachable(agent, "did not answer in time"),
  ): Promise<O | Failure> => {
    if (agents === undefined) return NO_TOKEN;
    const agent = device === undefined ? agents[0] : agents.find(({ name }) => name === device);
    if (agent === undefined) return unknownAgent(device);
    const signal = timeLimit(timeoutMs);
    // A write that did arrive fails its own condition the second time, and a removal finds nothing.
    const call = (origin?: string) =>
      callAgent(agent.http, { ...request, requestId }, { signal, ...(origin !== undefined && { origin }) });
    const { who, answer } =
      agent.set === undefined
        ? { who: agent.name, answer: await call() }
        : await askPrimary(agent.set, ({ origin }) => call(origin));
    if (answer === undefined) return withoutPrimary(agent.name);
    if ("status" in answer) return outcomeOf(who, answer);
    return answer.kind === "late" ? late(who) : unreachable(who, answer.what);
  };

  return {
    write: (write, how) => {
      const { method, path, device, data, ifMatch, source, checksum, quota } = write;
      const request: AgentRequest = {
        method: method === "put" ? "PUT" : "PATCH",
        path: secretRoute(path),
        ...(ifMatch === undefined ? { ifNoneMatch: "*" } : { ifMatch }),
        body: { data, metadata: { source }, quota },
      };
      const outcomeOf = (agent: string, answer: WireAnswer): WriteOutcome =>
        writeOutcomeOf({ agent, path, checksum }, answer);
      return send(device, request, how, outcomeOf, () => ({ outcome: "pending" }));
    },
    remove: ({ path, device }, how) =>
      send(device, { method: "DELETE", path: secretRoute(path) }, how, (agent, answer) =>
        removalOutcomeOf({ agent, path }, answer),
      ),
    close: async () => {
      await Promise.all((agents ?? []).map(({ http }) => http.close()));
    },
  };
};

/** A set is written to at the address of its primary, under the name that the set's certificates have. */
const writeOrigin = ({ name, origin }: AgentEndpoint, sets: AgentSets | undefined) =>
  sets?.has(name) ? serverNameOf(origin) : { origin };

type SetAnswer = { who: string; answer: WireAnswer | NoAnswer | undefined };

/** What the primary of a set answers; one that says that it is a mirror by now has the roles asked anew, once. */
const askPrimary = async (
  set: AgentSet,
  call: (primary: SetMember) => Promise<WireAnswer | NoAnswer>,
): Promise<SetAnswer> => {
  const primary = await set.primary();
  if (primary === undefined) return { who: set.name, answer: undefined };
  const first = { who: nameIn(set, primary), answer: await call(primary) };
  if (!("status" in first.answer) || answeredCode(first.answer, ["NOT_PRIMARY"]) === undefined) return first;
  await set.forget();
  const next = await set.primary();
  if (next === undefined || next.origin === primary.origin) return first;
  return { who: nameIn(set, next), answer: await call(next) };
};

const nameIn = ({ name: device }: AgentSet, { standing }: SetMember): string =>
  answererName({ device, ...(standing && { standing }) });

/** The agents' own advice where a lease has ended. */
const NO_PRIMARY_SECONDS = 5;

const withoutPrimary = (name: string): Failure => ({
  outcome: "unavailable",
  code: "NO_LEASE",
  message: `agent ${name}: ${errors.NO_LEASE.text}`,
  retryAfterSeconds: NO_PRIMARY_SECONDS,
});

const NO_TOKEN: Failure = {
  outcome: "refused",
  code: "FORBIDDEN",
  message:
    "the webhook has no token to write with. Whoever runs Keyswitch must set its AGENT_WRITE_TOKEN_FILE.",
};

const unknownAgent = (device = ""): Failure => ({
  outcome: "unavailable",
  code: "AGENT_UNKNOWN",
  message: `no agent is named ${device}.`,
});

const unreachable = (agent: string, what: string): Failure => ({
  outcome: "unavailable",
  code: "AGENT_UNREACHABLE",
  message: `agent ${agent} ${what}.`,
});

/** What was asked of which agent; `checksum` is what the path must have afterwards. */
export type AgentWriteRequest = { agent: string; path: string; checksum: string };

const writeBody = compileSchema(WriteBody);
const deleteBody = compileSchema(DeleteBody);

/** Codes that stay as they are until somebody changes something. */
const REFUSALS = codesOf("token-refuses", "agent-refuses");

/** Codes that pass. */
const TROUBLES = [...TOKEN_FAULTS, ...codesOf("passes")];

/** What the answer to PUT or PATCH comes to. */
export const writeOutcomeOf = (asked: AgentWriteRequest, answer: WireAnswer): WriteOutcome => {
  if (answer.status === 200 || answer.status === 201) {
    const body = jsonOf(answer.body);
    if (!writeBody.Check(body)) return odd(asked, "answered something that is not about a write");
    if (body.path !== asked.path || body.checksum !== asked.checksum) {
      return odd(asked, "answered about something else than was written");
    }
    return { outcome: "written" };
  }
  const code = errorOf(answer)?.code;
  // What a patch found gone is no longer what was read either.
  const changed = answer.status === 412 ? "PRECONDITION_FAILED" : "SECRET_NOT_FOUND";
  if ((answer.status === 412 || answer.status === 404) && code === changed) {
    return { outcome: "precondition" };
  }
  return failureOf(asked, answer);
};

/** What the answer to DELETE comes to: that there was nothing is as good. */
export const removalOutcomeOf = (
  asked: Pick<AgentWriteRequest, "agent" | "path">,
  answer: WireAnswer,
): RemovalOutcome => {
  if (answer.status === 200) {
    const body = jsonOf(answer.body);
    return deleteBody.Check(body) && body.path === asked.path
      ? { outcome: "removed" }
      : odd(asked, "answered something that is not about the removal");
  }
  if (answer.status === 404 && errorOf(answer)?.code === "SECRET_NOT_FOUND") return { outcome: "removed" };
  return failureOf(asked, answer);
};

const failureOf = (asked: Pick<AgentWriteRequest, "agent">, answer: WireAnswer): Failure => {
  if (answer.status === 401 || answer.status === 403) {
    return {
      outcome: "refused",
      code: "FORBIDDEN",
      message: `agent ${asked.agent} refused the webhook's write token (HTTP ${answer.status}). Give the agent a WRITE_TOKEN_FILE that has the token of the webhook's AGENT_WRITE_TOKEN_FILE.`,
    };
  }
  const refusal = answeredCode(answer, REFUSALS);
  if (refusal !== undefined) return { outcome: "refused", code: refusal, message: said(asked, refusal) };
  const advice = adviceOf(answer);
  const trouble = answeredCode(answer, TROUBLES);
  if (trouble === undefined) return { ...odd(asked, `answered HTTP ${answer.status}`), ...advice };
  return { outcome: "unavailable", code: trouble, message: said(asked, trouble), ...advice };
};

/** The text of our own table: no text of the agent is passed on. */
const said = ({ agent }: Pick<AgentWriteRequest, "agent">, code: ErrorCode): string =>
  `agent ${agent}: ${errors[code].text}`;

const odd = ({ agent }: Pick<AgentWriteRequest, "agent">, what: string): Failure => ({
  outcome: "unavailable",
  code: "AGENT_REFUSED",
  message: `agent ${agent} ${what}.`,
});
