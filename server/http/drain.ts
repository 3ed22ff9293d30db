// SPDX-License-Identifier: Apache-2.0
// Drains a server on close: ends each connection once it has no request under way, and all of them at a deadline.
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** A close does not wait longer than this for requests under way; Kubernetes kills after 30 s, main.ts gives up after 15 s. */
const LONGEST_MS = 10_000;

export type Drain = {
  /** Watches the connections of one more server. */
  watch(server: Server): void;
  /** A request is under way; to call what is answered when it no longer is. */
  begun(): () => void;
  /** To be called when closing begins. Node would wait for a connection that has not sent a request yet. */
  begin(): void;
};

/** A drain of no servers yet. */
export const createDrain = (): Drain => {
  const sockets = new Set<Socket>();
  let underWay = 0;
  let closing = false;
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const endIfIdle = (): void => {
    if (closing && underWay === 0) endAll();
  };
  return {
    watch: (server) => {
      // Below TLS, so that a connection whose handshake never ends is among them.
      server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      });
    },
    begun: () => {
      underWay += 1;
      return () => {
        underWay -= 1;
        // After the answer's last bytes have been handed to the socket.
        setImmediate(endIfIdle);
      };
    },
    begin: () => {
      closing = true;
      endIfIdle();
      setTimeout(endAll, LONGEST_MS).unref();
    },
  };
};
