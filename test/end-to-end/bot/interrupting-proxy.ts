// SPDX-License-Identifier: Apache-2.0
// Runs an HTTP proxy that withholds one request or its response, so that a test can kill the waiting client at that point.
import { once } from "node:events";
import { createServer, type IncomingMessage, request as sendRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Test } from "tap";

export type Cut = {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  /** Of the request's path. */
  readonly path: RegExp;
  /** `before`: the server never gets the request. `after`: it has done what it was asked, and its answer is lost. */
  readonly side: "before" | "after";
};

export type InterruptingProxy = {
  readonly url: string;
  /** Resolves when the next such request is there, or done; until then all others pass, and afterwards this one alone hangs. */
  cut(cut: Cut): Promise<void>;
};

type Armed = { readonly cut: Cut; readonly reached: () => void };

/** In front of `target`, a plain HTTP server. `onRequest` is told of each request that is whole. It ends with `t`. */
export const startInterruptingProxy = async (
  t: Test,
  target: string,
  onRequest: (path: string, body: Buffer) => void = () => {},
): Promise<InterruptingProxy> => {
  const { hostname, port } = new URL(target);
  let armed: Armed | undefined;
  const armedFor = (request: IncomingMessage): Armed | undefined => {
    const { pathname } = new URL(request.url ?? "/", target);
    if (armed?.cut.method !== request.method || !armed?.cut.path.test(pathname)) return undefined;
    const found = armed;
    armed = undefined;
    return found;
  };
  const server = createServer(async (request, response) => {
    const { method, url = "/", headers } = request;
    // A request that its sender was killed in does not go on.
    const body = await buffer(request).catch(() => undefined);
    if (body === undefined) return;
    onRequest(url, body);
    const cut = armedFor(request);
    if (cut?.cut.side === "before") return cut.reached();
    const upstream = sendRequest({ hostname, port, method, path: url, headers, agent: false });
    upstream.on("response", (answer) => {
      if (cut !== undefined) return answer.resume().on("end", cut.reached);
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      return answer.pipe(response);
    });
    upstream.on("error", () => request.socket.destroy());
    response.on("close", () => upstream.destroy());
    upstream.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${own}`,
    cut: (cut) =>
      new Promise((resolve) => {
        armed = { cut, reached: resolve };
      }),
  };
};
