// SPDX-License-Identifier: Apache-2.0
// Runs a TCP proxy in front of a server whose network a test can cut, or make hang as half-open connections do.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { Test } from "tap";
import { freePort } from "../../scripts/local/free-port.ts";

export type TcpProxy = {
  url: string;
  /** Connections are refused, and those that are open are reset. */
  shut(): Promise<void>;
  /** On the same port as before. */
  open(): Promise<void>;
  /** Nothing passes any more over the connections of now, and nobody is told; new ones work. */
  hang(): void;
  /** Connections of clients that are open now. */
  count(): number;
};

export const startTcpProxy = async (t: Test, target: string): Promise<TcpProxy> => {
  const { port: targetPort, hostname } = new URL(target);
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer((client) => {
    const upstream = connect(Number(targetPort), hostname);
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    client.pipe(upstream);
    upstream.pipe(client);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
  });
  // Nobody else may be given it while the proxy is shut.
  const port = await freePort();
  const open = async () => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  const shut = async () => {
    const closed = once(server, "close");
    server.close();
    for (const [client] of [...pairs]) {
      // Node forgets to close a socket that is reset while its FIN goes out, and then can't end the process: it spins.
      if (client.writableEnded) client.destroy();
      else client.resetAndDestroy();
    }
    await closed;
  };
  await open();
  t.teardown(() => (server.listening ? shut() : undefined));
  return {
    url: `http://127.0.0.1:${port}`,
    open,
    shut,
    hang() {
      for (const [client, upstream] of pairs) {
        client.unpipe();
        upstream.unpipe();
        client.pause();
        upstream.pause();
      }
    },
    count: () => pairs.size,
  };
};
