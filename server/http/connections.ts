// SPDX-License-Identifier: Apache-2.0
// Bounds the connections of a process: how many, how long before the first request, how many unanswered requests, and how
// long an unread answer is kept.
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createPlaces, type Guest } from "./connection-places.ts";
import type { TrafficLimits } from "./traffic-limits.ts";

/** How often the times are looked at. */
const SWEEP_MS = 1000;

type Connection = Guest & {
  sockets: Socket[];
  connectedAt: number;
  asked: boolean;
  /** Whether it is to be closed as soon as nothing is under way. */
  ending: boolean;
  exchanges: Set<Exchange>;
};

/** `answeredAt`: when the answer was first seen to be on its way. */
type Exchange = { response: ServerResponse; answeredAt?: number; over: boolean; ends: (() => void)[] };

export type Connections = {
  /** Watches the connections of one more server. */
  watch(server: Server): void;
  /** Lets through to `listener` the requests that a connection may have. */
  guard(listener: RequestListener): RequestListener;
  /** A caller with credentials is on this socket: others are closed before it. False: there are too many such callers. */
  recognise(socket: Socket): boolean;
  /** Calls `done` when the answer is on its way or nobody waits for it any more; once. */
  whenOver(response: ServerResponse, done: () => void): void;
  /** Ends every connection that is there, each after what is under way on it. */
  endAll(): void;
  close(): void;
};

const newConnection = (socket: Socket, connectedAt: number): Connection => {
  const exchanges = new Set<Exchange>();
  return {
    peer: socket.remoteAddress ?? "",
    isBusy: () => exchanges.size > 0,
    sockets: [socket],
    connectedAt,
    asked: false,
    ending: false,
    exchanges,
  };
};

/** Whether its first request, or the reading of an answer, takes too long. */
const isLate = ({ asked, connectedAt, exchanges }: Connection, limits: TrafficLimits, at: number): boolean =>
  (!asked && at - connectedAt > limits.firstRequestMs) ||
  [...exchanges].some((exchange) => {
    if (exchange.response.headersSent) exchange.answeredAt ??= at;
    return at - (exchange.answeredAt ?? at) > limits.answerMs;
  });

/** Tells what comes of requests; `onIdle` is told when a connection has none left. */
const createExchanges = (onIdle: (connection: Connection) => void) => {
  const byResponse = new WeakMap<ServerResponse, Exchange>();
  const end = (connection: Connection, exchange: Exchange): void => {
    if (!connection.exchanges.delete(exchange)) return;
    exchange.over = true;
    for (const done of exchange.ends) done();
    if (connection.exchanges.size === 0) onIdle(connection);
  };
  return {
    begin: (connection: Connection, response: ServerResponse): void => {
      const exchange: Exchange = { response, over: false, ends: [] };
      connection.exchanges.add(exchange);
      byResponse.set(response, exchange);
      response.once("close", () => end(connection, exchange));
    },
    endAll: (connection: Connection): void => {
      for (const exchange of connection.exchanges) end(connection, exchange);
    },
    whenOver: (response: ServerResponse, done: () => void): void => {
      const exchange = byResponse.get(response);
      if (exchange === undefined) response.once("close", done);
      else if (exchange.over) done();
      else exchange.ends.push(done);
    },
  };
};

/** Connections of no server yet. `now` is in milliseconds, monotonic. */
export const createConnections = (limits: TrafficLimits, now = () => performance.now()): Connections => {
  const bySocket = new WeakMap<Socket, Connection>();
  const byAddress = new Map<string, Connection>();

  const drop = (connection: Connection): void => {
    places.leave(connection);
    for (const socket of connection.sockets) socket.destroy();
  };
  const places = createPlaces<Connection>(limits, drop);
  const connect = (socket: Socket): void => {
    const connection = newConnection(socket, now());
    if (!places.enter(connection)) return void socket.destroy();
    const address = addressOf(socket);
    bySocket.set(socket, connection);
    byAddress.set(address, connection);
    socket.once("close", () => {
      drop(connection);
      if (byAddress.get(address) === connection) byAddress.delete(address);
      exchanges.endAll(connection);
    });
  };
  const exchanges = createExchanges((connection) => {
    // After the answer's last bytes have been handed to the socket.
    if (connection.ending) setImmediate(() => drop(connection));
  });
  const admit = (request: IncomingMessage, response: ServerResponse): boolean => {
    const connection = bySocket.get(request.socket);
    if (connection === undefined || request.socket.destroyed) return false;
    if (
      connection.exchanges.size >= limits.pipelined ||
      (connection.ending && connection.exchanges.size === 0)
    ) {
      drop(connection);
      return false;
    }
    connection.asked = true;
    exchanges.begin(connection, response);
    return true;
  };
  const sweep = setInterval(() => {
    const at = now();
    for (const connection of places.all()) if (isLate(connection, limits, at)) drop(connection);
  }, SWEEP_MS).unref();

  return {
    watch: (server) => {
      server.on("connection", connect);
      // TLS wraps the socket; its peer is what both have in common.
      server.on("secureConnection", (socket: Socket) => {
        const connection = byAddress.get(addressOf(socket));
        if (connection === undefined) return void socket.destroy();
        connection.sockets.push(socket);
        bySocket.set(socket, connection);
      });
    },
    guard: (listener) => (request, response) => {
      if (admit(request, response)) listener(request, response);
    },
    recognise: (socket) => {
      const connection = bySocket.get(socket);
      return connection === undefined || places.recognise(connection);
    },
    whenOver: exchanges.whenOver,
    endAll: () => {
      for (const connection of places.all()) {
        connection.ending = true;
        if (connection.exchanges.size === 0) drop(connection);
      }
    },
    close: () => clearInterval(sweep),
  };
};

const addressOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(" ");
