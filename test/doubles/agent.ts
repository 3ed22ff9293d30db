// SPDX-License-Identifier: Apache-2.0
// Implements a double of the agent: a real HTTP(S) server on loopback whose every response the test decides.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { Test } from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import { toBase64Map } from "../../hooks/formats.ts";
import { freePort } from "../../scripts/local/free-port.ts";
import { checksums } from "../hooks/hsmsecret/request.ts";

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export type AgentDouble = {
  origin: string;
  /** What answers from now on. */
  answer: Answer;
  /** Each request so far; `body` grows as it arrives. */
  requests: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[];
  /** Connections that were opened so far. */
  connections: number;
  /** Ends the server and its connections; its port then refuses. */
  stop(): Promise<void>;
};

/** @param where an address of loopback and a port, where it must be those */
export const startAgent = async (
  t: Test,
  answer: Answer,
  tls?: ServerOptions,
  { host = "127.0.0.1", port: wanted = 0 } = {},
): Promise<AgentDouble> => {
  // Once it has stopped nobody else may be given its port.
  const port = wanted === 0 ? await freePort() : wanted;
  const listener: RequestListener = (request, response) => {
    const { method = "", url = "", headers } = request;
    const seen = { method, url, headers, body: "" };
    double.requests.push(seen);
    request.setEncoding("utf8").on("data", (text: string) => {
      seen.body += text;
    });
    double.answer(request, response);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  const double: AgentDouble = {
    origin: "",
    answer,
    requests: [],
    connections: 0,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  server.on("connection", () => {
    double.connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  double.origin = `${tls ? "https" : "http"}://${host}:${port}`;
  t.teardown(() => double.stop());
  return double;
};

/** An answer with a JSON body. */
export const answerJson =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };

/** The body for a path that holds `values`. */
export const secretBody = (
  path: string,
  values: Record<string, string>,
  { version = 3, device = "token-device", ...stamp }: Held = {},
) => {
  const data = toBase64Map(Object.entries(values));
  return { path, data, checksum: checksumOfBase64(data), version, device, ...stamp };
};

/** What the agent says beside the values. */
type Held = { version?: number; device?: string; epoch?: number; history?: [number, number][] };

/** Answers as a healthy agent that holds `values` at `path`, 304 for the plain checksum and the keyed one included. */
export const holding = (path: string, values: Record<string, string>, how: Held = {}): Answer => {
  const body = secretBody(path, values, how);
  const etag = `"${body.checksum}"`;
  return (request, response) => {
    if (request.url !== `/v1/secrets/${path}`) return missing(request, response);
    const asked = request.headers["if-none-match"];
    if (asked !== undefined && checksums.fits(asked.slice(1, -1), body.checksum)) {
      return response.writeHead(304, { etag: asked }).end();
    }
    answerJson(200, body, { etag })(request, response);
  };
};

/** Answers as a healthy agent that holds nothing. */
export const missing: Answer = answerJson(404, { code: "SECRET_NOT_FOUND", message: "nothing here" });

/** Takes the request and never answers. */
export const hanging: Answer = () => {};

/** Answers reads with `reading` and everything else with `writing`, once its body has arrived. */
export const readAndWrite =
  (reading: Answer, writing: Answer): Answer =>
  (request, response) => {
    if (request.method === "GET") return reading(request, response);
    request.on("end", () => writing(request, response));
  };
