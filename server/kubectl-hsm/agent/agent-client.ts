// SPDX-License-Identifier: Apache-2.0
// Sends requests to the agent over HTTP. This module is loaded with the first one.
import { callAgent } from "../../agent-api/client.ts";
import { fixedSecret } from "../../config/secret.ts";
import { openHttpPool } from "../../http/http-pool.ts";
import { jsonOf } from "../../json.ts";
import { CommandFailed } from "../exit-codes.ts";
import { type AgentClient, refusal } from "./answer.ts";

export type Endpoint = {
  /** `scheme://host:port` */
  origin: string;
  ca?: string;
  serverName?: string;
  bearerToken?: string;
  /** What messages call it, in place of "the agent". */
  callee?: string;
  timeoutMs: number;
  connectTimeoutMs: number;
};

const MAX_BYTES = 256 * 1024 * 1024;

export const createAgentClient = (endpoint: Endpoint): AgentClient => {
  const { origin, ca, serverName, bearerToken, callee = "the agent", timeoutMs, connectTimeoutMs } = endpoint;
  const http = openHttpPool({
    origin,
    ...(ca !== undefined && { ca }),
    ...(serverName !== undefined && { serverName }),
    ...(bearerToken !== undefined && { bearerToken: fixedSecret(bearerToken, `the token for ${callee}`) }),
    connectTimeoutMs,
    connections: 1,
    maxResponseBytes: MAX_BYTES,
  });
  const exchange: AgentClient["exchange"] = async ({ timeoutMs: limitMs = timeoutMs, ...request }) => {
    const signal = AbortSignal.timeout(limitMs);
    // Who has asked decides whether it is sent again.
    const answer = await callAgent(http, request, { signal, repeatable: false });
    if ("status" in answer) return { status: answer.status, text: answer.body };
    const what = answer.kind === "late" ? "did not answer in time (--timeout)" : answer.what;
    const cut =
      request.method === "GET"
        ? ""
        : " If the request was already under way, read the secret before trying again.";
    throw new CommandFailed("unreachable", `${callee} at ${origin} ${what}.${cut}`);
  };
  const send: AgentClient["send"] = async (request, schema) => {
    const { status, text } = await exchange(request);
    const body = jsonOf(text);
    if (status >= 200 && status < 300) {
      if (schema.Check(body)) return { ok: true, status, body };
      throw new CommandFailed("unreachable", `${origin} answered something that is not the API of ${callee}`);
    }
    return refusal(status, body, callee);
  };
  const sendForNothing: AgentClient["sendForNothing"] = async (request) => {
    const { status, text } = await exchange(request);
    return status === 204 ? { ok: true, status, body: undefined } : refusal(status, jsonOf(text), callee);
  };
  return { exchange, send, sendForNothing, close: http.close };
};
