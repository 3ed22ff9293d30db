// SPDX-License-Identifier: Apache-2.0
// Runs a proxy between the local engine and the webhook, so that a test can end kept-alive connections.
import { once } from "node:events";
import { type AddressInfo, createServer, connect as open, type Socket } from "node:net";
import type { Test } from "tap";

/** A port of loopback whose connections go on to the port that `to` is told. */
export const keptConnections = async (t: Test) => {
  const sockets = new Set<Socket>();
  let target = 0;
  const server = createServer((near) => {
    const far = open(target, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      // Who speaks through them sees that it is gone.
      socket.on("error", () => {});
      socket.once("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return {
    port: (server.address() as AddressInfo).port,
    to: (port: number) => {
      target = port;
    },
    /** Ends those that there are, and answers with their number when both sides know. */
    end: async (): Promise<number> => {
      const ended = [...sockets];
      const closed = ended.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      for (const socket of ended) socket.end();
      await Promise.all(closed);
      return ended.length / 2;
    },
  };
};
