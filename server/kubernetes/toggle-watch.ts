// SPDX-License-Identifier: Apache-2.0
// Keeps the cache of Toggles current: lists, then watches from the list's version, and starts over after failures with backoff.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import type { Clock } from "../time.ts";
import { sleep } from "../time.ts";
import { type ApiFailure, unavailable } from "./api-failure.ts";
import type { KubernetesClient, WatchEnd } from "./client.ts";
import type { ToggleCache } from "./toggle-cache.ts";
import type { WatchState } from "./toggles.ts";

const List = Type.Object({
  metadata: Type.Object({ resourceVersion: Type.String({ minLength: 1 }) }),
  items: Type.Array(Type.Unknown()),
});
type List = Static<typeof List>;
const Identified = Type.Object({ metadata: Type.Object({ uid: Type.String() }) });

/** `up` and `down` alternate; `relist` is any list after the first. */
export type ToggleWatchEvent = "up" | "down" | "relist" | "unreadable";

export type ToggleWatchOptions = {
  readonly client: KubernetesClient;
  /** Of the collection, without a query. */
  readonly path: string;
  readonly memory: ToggleCache;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Milliseconds since the epoch, for people to read. */
  readonly wallClock: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly silentMs: number;
  readonly onWatch?: (event: ToggleWatchEvent) => void;
};

export type ToggleWatch = {
  state(): WatchState;
  /** Resolves after the first list, or when it is closed before. */
  readonly listed: Promise<void>;
  /** Lists and watches anew, because what is shown may be old; `what` completes "the API server …". */
  renew(what: string): void;
  close(): Promise<void>;
};

const FIRST_PAUSE_MS = 1000;
/** A list is cheap, there is one bot, and until it has come a chat gets no states. */
const LONGEST_PAUSE_MS = 5_000;
/** A watch that lived so long was none that fails at once: the next one needs no pause. */
const STEADY_MS = 1000;
/** How long a watch may last; the rest is drawn, so that the watches of many clients don't end together. */
const SHORTEST_WATCH_S = 240;
const WATCH_SPREAD_S = 240;

/** Why it is down. */
type Down = Pick<ApiFailure, "what" | "kind">;

/** Milliseconds before attempt number `failures` (from 1): 1 s up to what has doubled, 5 s at most. */
export const watchPause = (failures: number, random: number): number => {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
  return FIRST_PAUSE_MS + random * (longest - FIRST_PAUSE_MS);
};

/** Whether the watch is up; while it is not, why and since when. */
class WatchHealth {
  readonly #options: Pick<ToggleWatchOptions, "logger" | "wallClock" | "onWatch">;
  #isUp = false;
  #down: Down & { since: number };

  constructor(options: Pick<ToggleWatchOptions, "logger" | "wallClock" | "onWatch">) {
    this.#options = options;
    this.#down = {
      what: "has not been asked for its Toggles yet",
      kind: "unavailable",
      since: options.wallClock(),
    };
  }

  goDown({ what, kind }: Down): void {
    const { logger, wallClock, onWatch } = this.#options;
    if (this.#isUp) {
      this.#isUp = false;
      this.#down = { what, kind, since: wallClock() };
      onWatch?.("down");
      logger.warn({ fault: what }, "Toggles are not watched");
    } else if (this.#down.what !== what) {
      this.#down = { ...this.#down, what, kind };
      logger.warn({ fault: what }, "Toggles are not watched");
    }
  }

  goUp(): void {
    if (this.#isUp) return;
    const { logger, wallClock, onWatch } = this.#options;
    this.#isUp = true;
    onWatch?.("up");
    const secondsDown = Math.round((wallClock() - this.#down.since) / 1000);
    logger.info({ secondsDown }, "Toggles are watched");
  }

  state(): WatchState {
    if (this.#isUp) return { ok: true };
    const { what, kind, since } = this.#down;
    const message = `the API server ${what} (since ${new Date(since).toISOString()})`;
    return { ok: false, message, why: kind === "forbidden" || kind === "not-found" ? kind : "unavailable" };
  }
}

/** The pauses between rounds: longer from failure to failure, none after a watch that lived for a while. */
class Pauses {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** The pause before the next round, in milliseconds; after a steady watch there is a list at once. */
  after(end: WatchEnd, wasSteady: boolean, isRenewed: boolean): number {
    const asked = end.ok ? 0 : (end.retryAfterMs ?? 0);
    if (wasSteady) this.#failures = 0;
    if (wasSteady || isRenewed) return asked;
    this.#failures += 1;
    return Math.max(watchPause(this.#failures, this.#random()), asked);
  }
}

const uidsOf = ({ items }: List): string[] =>
  items.flatMap((item) => (Value.Check(Identified, item) ? [item.metadata.uid] : []));

/**
 * Whether the server that lists `later` has the history of the one that listed `first`: it has not gone back, and still has those
 * objects of the first list that the watch has not told the end of (`known`, by uid). Versions are compared as numbers:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
const isContinued = (first: List, later: List, known: ReadonlySet<string>): boolean => {
  if (Number(later.metadata.resourceVersion) < Number(first.metadata.resourceVersion)) return false;
  const listed = new Set(uidsOf(later));
  return uidsOf(first).every((uid) => listed.has(uid) || !known.has(uid));
};

/** Why a watch that ended so counts as down; undefined where the next one goes on from it. */
const downAfter = (end: WatchEnd, wasSteady: boolean, renewing: AbortSignal): Down | undefined => {
  if (!end.ok) return end;
  if (end.end === "silent") return unavailable("has been silent for too long");
  if (renewing.aborted) return unavailable(String(renewing.reason));
  return wasSteady ? undefined : unavailable("ended the watch at once");
};

class ListAndWatch implements ToggleWatch {
  readonly #options: ToggleWatchOptions;
  readonly #closing = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  readonly #health: WatchHealth;
  readonly #pauses: Pauses;
  readonly #running: Promise<void>;
  #renewing = new AbortController();
  #isFirst = true;
  #openedAt: number | undefined;

  constructor(options: ToggleWatchOptions) {
    this.#options = options;
    this.#health = new WatchHealth(options);
    this.#pauses = new Pauses(options.random);
    this.#running = this.#run();
  }

  get listed(): Promise<void> {
    return this.#first.promise;
  }

  state(): WatchState {
    return this.#health.state();
  }

  renew(what: string): void {
    this.#renewing.abort(what);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#first.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      this.#openedAt = undefined;
      const end = await this.#round();
      if (closing.aborted) return;
      const wasSteady = this.#openedAt !== undefined && clock.now() - this.#openedAt >= STEADY_MS;
      const renewing = this.#renewing.signal;
      const down = downAfter(end, wasSteady, renewing);
      if (down !== undefined) this.#health.goDown(down);
      const ms = this.#pauses.after(end, wasSteady, renewing.aborted);
      this.#renewing = new AbortController();
      if (ms > 0) await sleep(clock, ms, closing);
    }
  }

  /**
   * Every watch starts from a new list and never from the last version seen: one that a restored or replaced API server
   * has not come to yet would show nothing and look healthy. A namespace's Toggles are few.
   */
  async #round(): Promise<WatchEnd> {
    const { client, path } = this.#options;
    const closing = this.#closing.signal;
    const answer = await client.request({ verb: "list", path, signal: closing });
    if (!answer.ok) return answer;
    if (!Value.Check(List, answer.body)) return unavailable("answered something that is not a list");
    if (closing.aborted) return { ok: true, end: "aborted" };
    this.#replace(answer.body.items);
    const differing = new AbortController();
    const end = await this.#watch(answer.body, differing);
    // Two servers behind one address may go on answering in turn: that is a failure, with its pause.
    return differing.signal.aborted ? unavailable("has another state than it had listed") : end;
  }

  /**
   * A server that is replaced between a list and its watch has the watch open, and tells nothing of what it lacks: only a list
   * beside the open watch shows it, and has that watch given up (`differing`). Costs one list for each watch of minutes.
   */
  async #compare(first: List, differing: AbortController, signal: AbortSignal): Promise<void> {
    const { client, path, memory } = this.#options;
    const answer = await client.request({ verb: "list", path, signal });
    if (!answer.ok || !Value.Check(List, answer.body)) return;
    const known = new Set(memory.list().map(({ metadata }) => metadata.uid));
    if (!isContinued(first, answer.body, known)) differing.abort();
  }

  #replace(items: readonly unknown[]): void {
    const { memory, onWatch } = this.#options;
    memory.replace(items);
    if (!this.#isFirst) onWatch?.("relist");
    this.#isFirst = false;
    this.#first.resolve();
  }

  #watch(listed: List, differing: AbortController): Promise<WatchEnd> {
    const { client, path, memory, clock, random, silentMs } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, this.#renewing.signal, differing.signal]);
    const query = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: listed.metadata.resourceVersion,
      timeoutSeconds: String(SHORTEST_WATCH_S + Math.floor(random() * WATCH_SPREAD_S)),
    });
    return client.watch({
      path: `${path}?${query}`,
      signal,
      silentMs,
      onOpen: () => {
        this.#openedAt = clock.now();
        this.#health.goUp();
        void this.#compare(listed, differing, signal);
      },
      onEvent({ type, object }) {
        if (type === "DELETED") memory.remove(object);
        else if (type !== "BOOKMARK") memory.put(object);
      },
    });
  }
}

export const startToggleWatch = (options: ToggleWatchOptions): ToggleWatch => new ListAndWatch(options);
