// SPDX-License-Identifier: Apache-2.0
// Calls the other agents of a set at the addresses of the last order, and hands writes on to the primary.
import type { Logger } from "pino";
import { type AgentRequest, callAgent, type NoAnswer, type WireAnswer } from "../../agent-api/client.ts";
import type { RoleOrder } from "../../agent-api/role-schema.ts";
import { isLoopback } from "../../config/loopback.ts";
import { connectionFault } from "../../http/connection-fault.ts";
import type { ErrorOptions } from "../../http/errors.ts";
import { type HttpPool, openHttpPool } from "../../http/http-pool.ts";
import { timeLimit } from "../../time.ts";
import { HANDED_ON_BY, type HandedOn } from "./handed-on.ts";

/** The longest that a write that was handed on is waited for: shorter than the webhook waits. */
const HAND_ON_MS = 8000;
const CONNECT_MS = 2000;
const CONNECTIONS = 16;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export type PeerClientOptions = {
  /** WRITE_TOKEN_FILE, else READ_TOKEN_FILE: its first token is sent. What a member says of itself is believed from the former alone. */
  readonly tokenFile?: string;
  /** PEER_CA_FILE. */
  readonly caFile?: string;
  /** Whether this agent serves HTTPS: the others do then too. Without it they are asked on loopback alone. */
  readonly tls: boolean;
  readonly logger: Logger;
};

type Failed = { readonly failure: ErrorOptions & { readonly code: "NO_LEASE" | "WRITE_UNCERTAIN" } };

/** A request as fastify has it; its body was parsed. */
type Handed = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
  readonly id: string;
};

export type PeerClient = {
  /** One request to `member` with this agent's own token. */
  call(
    order: RoleOrder,
    member: string,
    request: AgentRequest,
    signal: AbortSignal,
  ): Promise<WireAnswer | NoAnswer>;
  /** Sends a write to the primary with its caller's credentials. */
  handOn(order: RoleOrder, request: Handed): Promise<HandedOn | Failed>;
  close(): Promise<void>;
};

const PASSED_ON = ["authorization", "content-type", "if-match", "if-none-match"] as const;

const headersOf = ({ headers, id }: Handed, member: string): Record<string, string> => {
  const passed = PASSED_ON.flatMap((name) => {
    const value = headers[name];
    return typeof value === "string" ? [[name, value] as const] : [];
  });
  return {
    ...Object.fromEntries(passed),
    accept: "application/json",
    "x-request-id": id,
    [HANDED_ON_BY]: member,
  };
};

/** Whether the write can't have reached the primary. */
const NEVER_SENT = /^(refused the connection|can't be reached|has a certificate|failed in the TLS)/;

const failureOf = (order: RoleOrder, error: unknown, isLate: boolean): Failed => {
  const what = isLate ? "did not answer in time" : connectionFault(error).what;
  const isSent = !NEVER_SENT.test(what);
  const rest = isSent
    ? "it holds the old secret or the new one, whole: read it, then try again"
    : "nothing was written";
  const message = `the primary ${order.primary} ${what}; ${rest}`;
  return isSent
    ? { failure: { code: "WRITE_UNCERTAIN", message, retryAfterSeconds: 1 } }
    : { failure: { code: "NO_LEASE", message, retryAfterSeconds: 5 } };
};

const nowhere = ({ primary }: RoleOrder): Failed => {
  const message = `the primary ${primary} has no address that may be asked; nothing was written`;
  return { failure: { code: "NO_LEASE", message, retryAfterSeconds: 5 } };
};

/** The pool of connections, opened anew where the orders name another server name. @throws UnusableFile */
class PeerPool {
  readonly #options: PeerClientOptions;
  #open: { readonly serverName: string | undefined; readonly pool: HttpPool } | undefined;

  constructor(options: PeerClientOptions) {
    this.#options = options;
  }

  of(serverName: string | undefined): HttpPool {
    if (this.#open !== undefined && this.#open.serverName === serverName) return this.#open.pool;
    void this.close();
    const { tokenFile, caFile, logger } = this.#options;
    const pool = openHttpPool({
      ...(tokenFile !== undefined && { tokenFile }),
      ...(caFile !== undefined && { caFile }),
      ...(serverName !== undefined && { serverName }),
      connectTimeoutMs: CONNECT_MS,
      connections: CONNECTIONS,
      maxResponseBytes: MAX_ANSWER_BYTES,
      logger,
    });
    this.#open = { serverName, pool };
    return pool;
  }

  async close(): Promise<void> {
    const { pool } = this.#open ?? {};
    this.#open = undefined;
    await pool?.close();
  }
}

/** The host of `host:port`. */
const hostOf = (address: string): string => address.replace(/:\d+$/, "");

export const createPeerClient = (options: PeerClientOptions): PeerClient => {
  const pools = new PeerPool(options);
  const originOf = ({ members }: RoleOrder, id: string): string | undefined => {
    const address = members.find((member) => member.id === id)?.address;
    if (address === undefined) return undefined;
    if (options.tls) return `https://${address}`;
    return isLoopback(hostOf(address)) ? `http://${address}` : undefined;
  };
  return {
    async call(order, member, request, signal) {
      const origin = originOf(order, member);
      if (origin === undefined) return { kind: "unreachable", what: "has no address that may be asked" };
      return callAgent(pools.of(order.serverName), request, { origin, signal });
    },
    async handOn(order, request) {
      const origin = originOf(order, order.primary);
      if (origin === undefined) return nowhere(order);
      const signal = timeLimit(HAND_ON_MS);
      try {
        const { statusCode, headers, body } = await pools.of(order.serverName).send({
          origin,
          method: request.method as "PUT",
          path: request.url,
          headers: headersOf(request, order.member),
          ...(request.body != null && { body: JSON.stringify(request.body) }),
          signal,
          repeatable: false,
        });
        return { status: statusCode, headers, body: await body.text() };
      } catch (error) {
        return failureOf(order, error, signal.aborted);
      }
    },
    close: () => pools.close(),
  };
};
