// SPDX-License-Identifier: Apache-2.0
// Runs a hook server for tests that records every request, and answers as the test says.
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import { freePort } from "../../../local/free-port.ts";
import { isObject, type JsonObject, toJson } from "../../api/json.ts";

export type Recorded = { path: string; headers: IncomingHttpHeaders; body: JsonObject };
type Reply =
  | { status?: number; headers?: { [name: string]: string }; body?: unknown; text?: string }
  | Promise<Reply>;
export type Answer = (request: Recorded) => Reply;

export type HookServer = {
  port: number;
  url: (path: string) => string;
  requests: Recorded[];
  /** How many connections there have been. */
  connections: () => number;
  /** Replaces what the hook answers from now on. */
  answer: (answer: Answer) => void;
  /** Resolves with the first request, past or to come from `from` on, that fits. */
  seen: (fits: (request: Recorded) => boolean, from?: number) => Promise<Recorded>;
  close: () => Promise<void>;
};

type Tls = { key: string; cert: string; ca?: string; requestCert?: boolean };

/** Starts the server on a free port of loopback, or on `port` again. */
export const startHookServer = async (
  answer: Answer,
  options: { port?: number; tls?: Tls } = {},
): Promise<HookServer> => {
  const requests: Recorded[] = [];
  const waiting: { fits: (request: Recorded) => boolean; resolve: (request: Recorded) => void }[] = [];
  let current = answer;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    const body = toJson(JSON.parse(text));
    if (!isObject(body)) throw new Error("a hook request is an object");
    const recorded = { path: request.url ?? "", headers: request.headers, body };
    requests.push(recorded);
    for (const { fits, resolve } of waiting) if (fits(recorded)) resolve(recorded);
    const reply = await current(recorded);
    response.writeHead(reply.status ?? 200, { "content-type": "application/json", ...reply.headers });
    response.end(reply.text ?? JSON.stringify(reply.body ?? {}));
  };
  const listener = (request: IncomingMessage, response: ServerResponse) => void handle(request, response);
  const { tls } = options;
  const server: Server = tls
    ? createSecureServer({ ...tls, rejectUnauthorized: tls.requestCert ?? false }, listener)
    : createServer(listener);
  let connections = 0;
  server.on("connection", () => {
    connections += 1;
  });
  // Once it is closed nobody else may be given its port.
  const port = options.port ?? (await freePort());
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    url: (path) => `http://127.0.0.1:${port}${path}`,
    requests,
    connections: () => connections,
    answer: (next) => {
      current = next;
    },
    seen: (fits, from = 0) => {
      const past = requests.slice(from).find(fits);
      if (past) return Promise.resolve(past);
      return new Promise((resolve) => waiting.push({ fits, resolve }));
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
};
