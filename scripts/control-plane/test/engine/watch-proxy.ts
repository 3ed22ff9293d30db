// SPDX-License-Identifier: Apache-2.0
// Runs a proxy before the API server that can delay a watch, so that a test decides how late the engine sees something.
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type WatchProxy = {
  url: string;
  /** Holds the watch of a resource (its plural) back after the first event, from now on, whose line fits. */
  holdAfter: (plural: string, fits: (line: string) => boolean) => void;
  /** Breaks every connection, as a network does. */
  cut: () => void;
  /** Answers watches of a resource from before this version with 410 Gone, which asks for a new list. */
  expire: (plural: string, version: number) => void;
  close: () => Promise<void>;
};

export const startWatchProxy = async (apiUrl: string): Promise<WatchProxy> => {
  const holds = new Map<string, { fits: (line: string) => boolean; closed: boolean }>();

  const expired = new Map<string, number>();

  const forward = (incoming: IncomingMessage, response: ServerResponse) => {
    const url = new URL(incoming.url ?? "/", apiUrl);
    const plural = url.searchParams.has("watch") ? (url.pathname.split("/").at(-1) ?? "") : "";
    if (Number(url.searchParams.get("resourceVersion")) < (expired.get(plural) ?? 0)) {
      response.writeHead(410).end();
      return;
    }
    const { method = "GET", headers } = incoming;
    const outgoing = httpRequest(url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      if (plural === "") {
        answer.pipe(response);
        return;
      }
      let rest = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        const lines = `${rest}${chunk}`.split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const hold = holds.get(plural);
          if (hold?.closed) continue;
          response.write(`${line}\n`);
          if (hold?.fits(line)) hold.closed = true;
        }
      });
      answer.on("end", () => response.end());
      answer.on("error", () => response.destroy());
    });
    outgoing.on("error", () => response.destroy());
    response.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  };

  const server = createServer(forward);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    holdAfter: (plural, fits) => holds.set(plural, { fits, closed: false }),
    cut: () => {
      holds.clear();
      server.closeAllConnections();
    },
    expire: (plural, version) => expired.set(plural, version),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
};
