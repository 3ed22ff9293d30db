// SPDX-License-Identifier: Apache-2.0
// Follows a set of HSMs: resolves the addresses of its agents, asks each for its role, and remembers both for two seconds.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Logger } from "pino";
import type { Standing } from "../../hooks/hsmsecret/index.ts";
import type { AgentRequest, NoAnswer, WireAnswer } from "../agent-api/client.ts";
import { isLoopback } from "../config/loopback.ts";
import { type HttpPool, type HttpPoolOptions, openHttpPool } from "../http/http-pool.ts";
import { monotonicClock, sleep } from "../time.ts";
import type { AgentEndpoint } from "./config.ts";
import { type MemberCallOptions, MemberConnection, SILENCE_MS } from "./member-connection.ts";
import { orderedMembers, type Told } from "./member-order.ts";

/** The addresses of a host, of IPv4 and of IPv6. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** A member of a set, as it can be asked now. */
export type SetMember = {
  /** `scheme://address:port`. */
  readonly origin: string;
  /** Absent where the agent knows of no sets: it is asked for itself. */
  readonly standing?: Standing;
  call(request: AgentRequest, options: MemberCallOptions): Promise<WireAnswer | NoAnswer>;
};

export type AgentSetOptions = {
  /** Its host is resolved. */
  endpoint: AgentEndpoint;
  tokenFile?: string;
  caFile?: string;
  logger: Logger;
  connectTimeoutMs?: number;
  connections: number;
  maxResponseBytes: number;
  resolve?: Resolve;
  /** Told of each request for a role: the role, or what came in its place. */
  onRole?: (set: string, role: string) => void;
  /** Milliseconds, monotonic. */
  now?: () => number;
};

/** How long a role is believed. */
const MEMORY_MS = 2000;
const RESOLVE_MS = 1000;
/** Addresses that can't be resolved any more are asked for so long. */
const ADDRESSES_MS = 60_000;

const systemResolve: Resolve = async (host) =>
  (await lookup(host, { all: true })).map(({ address }) => address);

const hostOf = (origin: string): string => new URL(origin).hostname.replace(/^\[(.*)\]$/, "$1");

/** The name in the certificates of the agents of a set at `origin`, who are asked by their addresses. */
export const serverNameOf = (origin: string): Pick<HttpPoolOptions, "serverName"> => {
  const host = hostOf(origin);
  return isIP(host) === 0 ? { serverName: host } : {};
};

const poolOptionsOf = (options: AgentSetOptions): HttpPoolOptions => {
  const {
    endpoint,
    tokenFile,
    caFile,
    logger,
    connectTimeoutMs = 500,
    connections,
    maxResponseBytes,
    now,
  } = options;
  return {
    ...serverNameOf(endpoint.origin),
    ...(tokenFile !== undefined && { tokenFile }),
    ...(caFile !== undefined && { caFile }),
    ...(now !== undefined && { now }),
    ...{ connectTimeoutMs, connections, maxResponseBytes, logger },
  };
};

/** The agents behind one name of AGENTS. */
export class AgentSet {
  readonly #options: AgentSetOptions;
  readonly #http: HttpPool;
  readonly #now: () => number;
  readonly #url: URL;
  #members = new Map<string, MemberConnection>();
  #resolvedAt: number;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  #primary = "";

  /** @throws UnusableFile when the token or CA file can't be used at the start. */
  constructor(options: AgentSetOptions) {
    this.#options = options;
    this.#http = openHttpPool(poolOptionsOf(options));
    this.#now = options.now ?? (() => performance.now());
    this.#url = new URL(options.endpoint.origin);
    this.#resolvedAt = this.#now();
  }

  get name(): string {
    return this.#options.endpoint.name;
  }

  /** The members in the order in which they are asked. */
  async members(): Promise<SetMember[]> {
    if (this.#now() - this.#askedAt >= MEMORY_MS) this.#asking ??= this.#begin();
    await this.#asking;
    return this.#ordered();
  }

  /** The one to write to: the primary, or the only agent of all, which knows of no sets. */
  async primary(): Promise<SetMember | undefined> {
    const members = await this.members();
    return members.find(({ standing }) => standing === undefined || standing.role === "primary");
  }

  /** Forgets the roles, as where one of them turned out to be another by now. */
  async forget(): Promise<void> {
    await this.#asking;
    this.#askedAt = Number.NEGATIVE_INFINITY;
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  #begin(): Promise<void> {
    return this.#ask().finally(() => {
      this.#askedAt = this.#now();
      this.#asking = undefined;
    });
  }

  async #ask(): Promise<void> {
    await this.#resolve();
    const members = [...this.#members.values()];
    const asked = members.map((member) => ({
      wasSilent: member.silent,
      done: member.ask(members.length === 1),
    }));
    const waited = asked.filter(({ wasSilent }) => !wasSilent).map(({ done }) => done);
    // One that is out is not waited for as long as one that may be slow.
    const late = Promise.race([
      Promise.all(asked.map(({ done }) => done)),
      sleep(monotonicClock, SILENCE_MS),
    ]);
    await Promise.all([...waited, late]);
    for (const { told } of members) this.#options.onRole?.(this.name, roleName(told));
    this.#tell();
  }

  /** What can't be resolved stays as it was for a while: the name server may be out, and the agents are not. */
  async #resolve(): Promise<void> {
    const found = await this.#lookup();
    if (found !== undefined) this.#resolvedAt = this.#now();
    else if (this.#now() - this.#resolvedAt < ADDRESSES_MS) return;
    const members = new Map<string, MemberConnection>();
    for (const address of found ?? []) {
      members.set(
        address,
        this.#members.get(address) ?? new MemberConnection(this.#http, this.#originOf(address), this.#now),
      );
    }
    this.#members = members;
  }

  async #lookup(): Promise<readonly string[] | undefined> {
    const { resolve = systemResolve, endpoint } = this.#options;
    const late = sleep(monotonicClock, RESOLVE_MS).then(() => undefined);
    const found = await Promise.race([resolve(hostOf(endpoint.origin)).catch(() => undefined), late]);
    // Tokens are sent in plain text to nobody else than this machine.
    return this.#url.protocol === "http:" ? found?.filter(isLoopback) : found;
  }

  #originOf(address: string): string {
    const port = this.#url.port === "" ? "" : `:${this.#url.port}`;
    return `${this.#url.protocol}//${address.includes(":") ? `[${address}]` : address}${port}`;
  }

  #ordered(): SetMember[] {
    const seen = [...this.#members].map(([address, { told, silent }]) => ({ address, told, silent }));
    return orderedMembers(seen, this.#now()).flatMap(({ address, standing }) => {
      const member = this.#members.get(address);
      if (member === undefined) return [];
      const call: SetMember["call"] = (request, options) => member.call(request, options);
      return [{ origin: member.origin, ...(standing && { standing }), call }];
    });
  }

  /** Tells once who the primary is, and where two claim to be. */
  #tell(): void {
    const standings = this.#ordered().flatMap(({ standing }) => standing ?? []);
    const named = (role: Standing["role"]) =>
      standings.filter((one) => one.role === role).map(({ member }) => member);
    const [primaries, disputed] = [named("primary"), named("disputed")];
    const epoch = standings[0]?.epoch;
    const told = JSON.stringify([primaries, disputed, epoch]);
    if (told === this.#primary) return;
    this.#primary = told;
    const { logger } = this.#options;
    if (disputed.length > 0) {
      logger.error(
        { set: this.name, epoch, members: disputed },
        "several agents claim to be the primary of one epoch",
      );
    } else if (primaries.length === 0) {
      logger.warn({ set: this.name, epoch }, "no agent of the set says that it is the primary");
    } else {
      logger.info({ set: this.name, epoch, primary: primaries[0] }, "primary of the set");
    }
  }
}

const roleName = (told: Told): string =>
  told.kind === "role" ? (told.body.lease?.role ?? "none") : told.kind;

/** The sets among the agents, by their names. */
export type AgentSets = ReadonlyMap<string, AgentSet>;

/** @throws UnusableFile when the token or CA file can't be used at the start. */
export const openAgentSets = (
  agents: readonly AgentEndpoint[],
  options: Omit<AgentSetOptions, "endpoint" | "connections" | "maxResponseBytes">,
): AgentSets =>
  new Map(
    agents
      .filter(({ isSet }) => isSet)
      .map((endpoint) => [
        endpoint.name,
        new AgentSet({ ...options, endpoint, connections: CONNECTIONS, maxResponseBytes: MAX_ANSWER_BYTES }),
      ]),
  );

/** At once to one agent; further requests wait. */
export const CONNECTIONS = 32;

/** The most that is read of an answer. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
