// SPDX-License-Identifier: Apache-2.0
// Starts an HTTP proxy on loopback that answers every CONNECT with a tunnel to one server.
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Test } from "tap";

export type ConnectProxy = {
  /** `host:port`. */
  readonly address: string;
  /** The targets that were asked for, as `host:port`, each with what was shown. */
  readonly asked: { readonly target: string; readonly authorization: string | undefined }[];
  /** Opens no way any longer. */
  refuse(): void;
  /** Answers nobody any longer. */
  hang(): void;
};

/** @param target `http://host:port` or `https://host:port` that every way leads to in truth */
export const startConnectProxy = async (t: Test, target: string): Promise<ConnectProxy> => {
  const { hostname, port } = new URL(target);
  const asked: ConnectProxy["asked"] = [];
  const sockets = new Set<Socket>();
  let does: "open" | "refuse" | "hang" = "open";
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on("connect", ({ url = "", headers }, client: Socket, head: Buffer) => {
    asked.push({ target: url, authorization: headers["proxy-authorization"] });
    if (does === "refuse") return client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    if (does === "hang") return sockets.add(client);
    const upstream = connect(Number(port), hostname, () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
  const change = (to: typeof does) => () => {
    does = to;
    for (const socket of sockets) socket.destroy();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    refuse: change("refuse"),
    hang: change("hang"),
  };
};
