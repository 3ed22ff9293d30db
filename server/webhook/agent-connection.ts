// SPDX-License-Identifier: Apache-2.0
// Reads a path from one agent over HTTP and always comes to a reading, whatever goes wrong on the way.
import type { Reading } from "../../hooks/hsmsecret/reading.ts";
import { connectionFault } from "../http/connection-fault.ts";
import type { HttpPool } from "../http/http-pool.ts";
import { pathOf, readingOf, type WireAnswer } from "./agent-answer.ts";

/** What to read; the agent's API is server/agent-api.ts. */
export type AgentRead = {
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
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

class NoRoom extends Error {}

/** The reading of one agent within `timeoutMs`. */
export const readFromAgent = async (
  agent: { name: string; http: HttpPool },
  read: AgentRead,
  timeoutMs: number,
): Promise<Reading> => {
  const unavailable = (code: "AGENT_UNREACHABLE" | "AGENT_REFUSED", what: string): Reading => ({
    outcome: "unavailable",
    code,
    message: `agent ${agent.name} ${what}.`,
  });
  const signal = AbortSignal.timeout(Math.max(1, Math.ceil(timeoutMs)));
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await exchange(agent.http, read, signal);
      const { path, ifNoneMatch } = read;
      return readingOf(
        { agent: agent.name, path, ...(ifNoneMatch !== undefined && { ifNoneMatch }) },
        answer,
      );
    } catch (error) {
      if (error instanceof NoRoom)
        return unavailable("AGENT_UNREACHABLE", "answered, but too many large answers were worked on here");
      if (signal.aborted) return unavailable("AGENT_UNREACHABLE", "did not answer in time");
      const fault = connectionFault(error);
      if (fault.kind === "stale" && attempt === 1) continue;
      return unavailable(fault.kind === "refused" ? "AGENT_REFUSED" : "AGENT_UNREACHABLE", fault.what);
    }
  }
};

const exchange = async (http: HttpPool, read: AgentRead, signal: AbortSignal): Promise<WireAnswer> => {
  const authorization = http.authorization();
  const { statusCode, headers, body } = await http.pool().request({
    method: "GET",
    path: pathOf(read.path),
    headers: {
      accept: "application/json",
      "x-request-id": read.requestId,
      ...(authorization !== undefined && { authorization }),
      ...(read.ifNoneMatch !== undefined && { "if-none-match": `"${read.ifNoneMatch}"` }),
      ...(read.fresh && { "cache-control": "no-cache" }),
    },
    signal,
  });
  if (statusCode === 200 && read.roomFor !== undefined && !(await read.roomFor(lengthOf(headers), signal))) {
    body.on("error", () => {}).destroy();
    throw new NoRoom();
  }
  return { status: statusCode, headers, body: await body.text() };
};

/** What the agent says that it will send; without a length it may be all that is read of an answer. */
const lengthOf = (headers: WireAnswer["headers"]): number => {
  const length = headers["content-length"];
  return length === undefined ? MAX_ANSWER_BYTES : Number(length);
};
