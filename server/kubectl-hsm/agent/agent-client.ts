// SPDX-License-Identifier: Apache-2.0
// Requests to the agent over HTTP. It is loaded when the first one is made.
import { Client } from "undici";
import { connectionFault } from "../../http/connection-fault.ts";
import { jsonOf } from "../../json.ts";
import { CommandFailed } from "../exit-codes.ts";
import { type AgentClient, refusal } from "./answer.ts";

export type Endpoint = {
  /** `scheme://host:port` */
  origin: string;
  ca?: string;
  serverName?: string;
  token?: string;
  timeoutMs: number;
  connectTimeoutMs: number;
};

const MAX_BYTES = 256 * 1024 * 1024;

export const createAgentClient = (endpoint: Endpoint): AgentClient => {
  const { origin, ca, serverName, token, timeoutMs, connectTimeoutMs } = endpoint;
  const client = new Client(origin, {
    connect: {
      timeout: connectTimeoutMs,
      ...(ca !== undefined && { ca }),
      ...(serverName !== undefined && { servername: serverName }),
    },
    pipelining: 1,
    maxResponseSize: MAX_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const exchange: AgentClient["exchange"] = async (request) => {
    const signal = AbortSignal.timeout(request.timeoutMs ?? timeoutMs);
    try {
      const answer = await client.request({
        method: request.method,
        path: request.path,
        headers: {
          accept: "application/json",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(request.ifMatch !== undefined && {
            "if-match": request.ifMatch === "*" ? "*" : `"${request.ifMatch}"`,
          }),
          ...(request.ifNoneMatch !== undefined && { "if-none-match": request.ifNoneMatch }),
          ...(request.fresh && { "cache-control": "no-cache" }),
          ...(request.body !== undefined && { "content-type": "application/json" }),
        },
        ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
        signal,
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (error) {
      const what = signal.aborted ? "did not answer in time (--timeout)" : connectionFault(error).what;
      const cut =
        request.method === "GET"
          ? ""
          : " If the request was already under way, read the secret before trying again.";
      throw new CommandFailed("unreachable", `the agent at ${origin} ${what}.${cut}`);
    }
  };
  const send: AgentClient["send"] = async (request, schema) => {
    const { status, text } = await exchange(request);
    const body = jsonOf(text);
    if (status >= 200 && status < 300) {
      if (schema.Check(body)) return { ok: true, status, body };
      throw new CommandFailed("unreachable", `${origin} answered something that is not the agent's API`);
    }
    return refusal(status, body);
  };
  const sendForNothing: AgentClient["sendForNothing"] = async (request) => {
    const { status, text } = await exchange(request);
    return status === 204 ? { ok: true, status, body: undefined } : refusal(status, jsonOf(text));
  };
  return { exchange, send, sendForNothing, close: () => client.destroy() };
};
