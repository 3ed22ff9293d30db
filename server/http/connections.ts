// SPDX-License-Identifier: Apache-2.0
// Limits the connections of a process: their number, for which the least useful is evicted, the time to the first request, the
// unanswered requests, and the time that an unread response is kept.
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TrafficLimits } from "./traffic-limits.ts";

/** What eviction looks at in a connection. */
type SlotHolder = {
  /** The peer's address, without its port. */
  readonly peer: string;
  /** Whether a request of it is under way. */
  isBusy(): boolean;
};

type ConnectionSlots<H extends SlotHolder> = {
  /** Gives an unauthenticated connection a slot, for which another may be evicted; false where there is none. */
  acquire(holder: H): boolean;
  /** The connection has shown credentials: unauthenticated ones are evicted before it. False where all slots of such are busy. */
  authenticate(holder: H): boolean;
  release(holder: H): void;
  all(): H[];
};

/**
 * So many slots, of which `forUnauthenticated` are never those of authenticated connections: probes show no credentials. `evict`
 * must end with `release`.
 */
const createConnectionSlots = <H extends SlotHolder>(
  { connections, forUnauthenticated }: { connections: number; forUnauthenticated: number },
  evict: (holder: H) => void,
): ConnectionSlots<H> => {
  // Unauthenticated ones by age, authenticated ones by their last request.
  const unauthenticated = new Set<H>();
  const authenticated = new Set<H>();
  const makeRoom = (least: H | undefined): boolean => {
    if (least === undefined) return false;
    evict(least);
    return true;
  };
  /** The authenticated one that is idle for longest, of those whose peer has no fewer than that of `holder`. */
  const idleBeside = ({ peer: own }: H): H | undefined => {
    const counts = countsOf(authenticated);
    const least = counts.get(own) ?? 0;
    return [...authenticated].find((holder) => !holder.isBusy() && (counts.get(holder.peer) ?? 0) >= least);
  };
  return {
    acquire: (holder) => {
      const isFree = unauthenticated.size + authenticated.size < connections;
      if (!isFree && !makeRoom(oldestOfMost(unauthenticated) ?? idleBeside(holder))) return false;
      unauthenticated.add(holder);
      return true;
    },
    authenticate: (holder) => {
      const isFree = authenticated.has(holder) || authenticated.size < connections - forUnauthenticated;
      if (!isFree && !makeRoom(idleBeside(holder))) return false;
      if (unauthenticated.delete(holder) || authenticated.delete(holder)) authenticated.add(holder);
      return true;
    },
    release: (holder) => {
      unauthenticated.delete(holder);
      authenticated.delete(holder);
    },
    all: () => [...unauthenticated, ...authenticated],
  };
};

/** The oldest of the peer that has most: one that opens them without end takes the slots of its own. */
const oldestOfMost = <H extends SlotHolder>(holders: ReadonlySet<H>): H | undefined => {
  const counts = countsOf(holders);
  const most = Math.max(0, ...counts.values());
  return [...holders].find(({ peer }) => counts.get(peer) === most);
};

const countsOf = (holders: ReadonlySet<SlotHolder>): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { peer } of holders) counts.set(peer, (counts.get(peer) ?? 0) + 1);
  return counts;
};

/** How often the times are looked at. */
const SWEEP_MS = 1000;

type Connection = SlotHolder & {
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
  authenticate(socket: Socket): boolean;
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

/** Where a response has its exchange: a WeakMap of what lives so shortly would be most of the garbage collector's work. */
const EXCHANGE = Symbol("exchange");
type TrackedResponse = ServerResponse & { [EXCHANGE]?: Exchange };

/** Tells what comes of requests; `onIdle` is told when a connection has none left. */
const createExchanges = (onIdle: (connection: Connection) => void) => {
  const end = (connection: Connection, exchange: Exchange): void => {
    if (!connection.exchanges.delete(exchange)) return;
    exchange.over = true;
    for (const done of exchange.ends) done();
    if (connection.exchanges.size === 0) onIdle(connection);
  };
  return {
    begin: (connection: Connection, response: TrackedResponse): void => {
      const exchange: Exchange = { response, over: false, ends: [] };
      connection.exchanges.add(exchange);
      response[EXCHANGE] = exchange;
      response.on("close", () => end(connection, exchange));
    },
    endAll: (connection: Connection): void => {
      for (const exchange of connection.exchanges) end(connection, exchange);
    },
    whenOver: (response: TrackedResponse, done: () => void): void => {
      const exchange = response[EXCHANGE];
      if (exchange === undefined) response.once("close", done);
      else if (exchange.over) done();
      else exchange.ends.push(done);
    },
  };
};

/** Connections of no server yet. `now` is in milliseconds, monotonic. */
export const createConnections = (limits: TrafficLimits, now = () => performance.now()): Connections =>
  new BoundedConnections(limits, now);

class BoundedConnections implements Connections {
  readonly #limits: TrafficLimits;
  readonly #now: () => number;
  readonly #bySocket = new WeakMap<Socket, Connection>();
  readonly #byAddress = new Map<string, Connection>();
  readonly #slots: ConnectionSlots<Connection>;
  readonly #exchanges = createExchanges((connection) => {
    // After the answer's last bytes have been handed to the socket.
    if (connection.ending) setImmediate(() => this.#drop(connection));
  });
  readonly #sweeping: NodeJS.Timeout;

  constructor(limits: TrafficLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#slots = createConnectionSlots<Connection>(limits, (connection) => this.#drop(connection));
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  watch(server: Server): void {
    server.on("connection", (socket: Socket) => this.#connect(socket));
    // TLS wraps the socket; its peer is what both have in common.
    server.on("secureConnection", (socket: Socket) => {
      const connection = this.#byAddress.get(addressOf(socket));
      if (connection === undefined) return void socket.destroy();
      connection.sockets.push(socket);
      this.#bySocket.set(socket, connection);
    });
  }

  guard(listener: RequestListener): RequestListener {
    return (request, response) => {
      if (this.#admit(request, response)) listener(request, response);
    };
  }

  authenticate(socket: Socket): boolean {
    const connection = this.#bySocket.get(socket);
    return connection === undefined || this.#slots.authenticate(connection);
  }

  whenOver(response: ServerResponse, done: () => void): void {
    this.#exchanges.whenOver(response, done);
  }

  endAll(): void {
    for (const connection of this.#slots.all()) {
      connection.ending = true;
      if (connection.exchanges.size === 0) this.#drop(connection);
    }
  }

  close(): void {
    clearInterval(this.#sweeping);
  }

  #connect(socket: Socket): void {
    const connection = newConnection(socket, this.#now());
    if (!this.#slots.acquire(connection)) return void socket.destroy();
    const address = addressOf(socket);
    this.#bySocket.set(socket, connection);
    this.#byAddress.set(address, connection);
    socket.once("close", () => {
      this.#drop(connection);
      if (this.#byAddress.get(address) === connection) this.#byAddress.delete(address);
      this.#exchanges.endAll(connection);
    });
  }

  #admit(request: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#bySocket.get(request.socket);
    if (connection === undefined || request.socket.destroyed) return false;
    if (
      connection.exchanges.size >= this.#limits.pipelined ||
      (connection.ending && connection.exchanges.size === 0)
    ) {
      this.#drop(connection);
      return false;
    }
    connection.asked = true;
    this.#exchanges.begin(connection, response);
    return true;
  }

  #drop(connection: Connection): void {
    this.#slots.release(connection);
    for (const socket of connection.sockets) socket.destroy();
  }

  #sweep(): void {
    const at = this.#now();
    for (const connection of this.#slots.all()) {
      if (isLate(connection, this.#limits, at)) this.#drop(connection);
    }
  }
}

const addressOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(" ");
