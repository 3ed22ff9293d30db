// SPDX-License-Identifier: Apache-2.0
// Runs an HTTP proxy in front of the local API server that can require credentials, replace answers, and record requests.
import { once } from "node:events";
import { createServer, type IncomingMessage, request as sendRequest } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Test } from "tap";

type Seen = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: string;
  /** The common name of the client's certificate. */
  certificate?: string;
};

/** What is answered in place of the API server; `hangUp` closes the connection without an answer. */
export type ReplacedAnswer =
  | { status: number; headers?: Record<string, string>; body?: string }
  | "hangUp"
  /** Begins an answer that never has anything in it. */
  | "silent"
  /** Passes the request on and then closes the connection in place of the answer. */
  | "hangUpAfterwards";

export type HttpProxy = {
  url: string;
  seen: Seen[];
  /** What to answer each request with; undefined passes it on, with the query as it then is. */
  answer: (request: Seen) => ReplacedAnswer | undefined | Promise<ReplacedAnswer | undefined>;
};

/** metav1.Status with the message that no log may show. */
export const statusOf = (
  code: number,
  reason: string,
  headers: Record<string, string> = {},
): ReplacedAnswer => ({
  status: code,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify({
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    code,
    reason,
    message: "inner detail",
  }),
});

const certificateOf = (request: IncomingMessage): string | undefined => {
  if (!("getPeerCertificate" in request.socket)) return undefined;
  const socket = request.socket as import("node:tls").TLSSocket;
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === "string" ? name : undefined;
};

export const startHttpProxy = async (t: Test, target: string, tls?: ServerOptions): Promise<HttpProxy> => {
  const { port, hostname } = new URL(target);
  const listener: import("node:http").RequestListener = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://proxy");
    const certificate = certificateOf(request);
    const seen: Seen = {
      method: request.method ?? "",
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: await text(request),
      ...(certificate !== undefined && { certificate }),
    };
    proxy.seen.push(seen);
    const instead = await proxy.answer(seen);
    if (instead === "hangUp") return request.socket.destroy();
    if (instead === "silent") return response.writeHead(200).flushHeaders();
    if (instead !== undefined && instead !== "hangUpAfterwards") {
      return response.writeHead(instead.status, instead.headers).end(instead.body);
    }
    const { authorization: _, host: _host, ...headers } = request.headers;
    const upstream = sendRequest({
      host: hostname,
      port,
      method: seen.method,
      path: `${pathname}?${searchParams}`,
      headers,
      agent: false,
    });
    upstream.on("response", (answer) => {
      if (instead === "hangUpAfterwards") return answer.resume().on("end", () => request.socket.destroy());
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      return answer.pipe(response);
    });
    upstream.on("error", () => request.socket.destroy());
    response.on("close", () => upstream.destroy());
    upstream.end(seen.body);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port: own } = server.address() as AddressInfo;
  const proxy: HttpProxy = {
    url: `${tls ? "https" : "http"}://127.0.0.1:${own}`,
    seen: [],
    answer: () => undefined,
  };
  return proxy;
};
