// SPDX-License-Identifier: Apache-2.0
// Reads a path from one agent over HTTP; every failure becomes a reading too.
import type { Reading } from "../../hooks/hsmsecret/reading.ts";
import { callAgent, secretRoute } from "../agent-api/client.ts";
import type { HttpPool } from "../http/http-pool.ts";
import { timeLimit } from "../time.ts";
import { readingOf } from "./agent-answer.ts";

/** What to read; the agent's API is server/agent-api/schema.ts. */
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

/** The reading of one agent within `timeoutMs`. */
export const readFromAgent = async (
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
      ...(roomFor !== undefined && { roomFor: (bytes = MAX_ANSWER_BYTES, signal) => roomFor(bytes, signal) }),
    },
  );
  if ("status" in answer) return readingOf({ agent: agent.name, ...asked }, answer);
  return {
    outcome: "unavailable",
    code: answer.kind === "refused" ? "AGENT_REFUSED" : "AGENT_UNREACHABLE",
    message: `agent ${agent.name} ${answer.what}.`,
  };
};
