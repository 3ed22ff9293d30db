// SPDX-License-Identifier: Apache-2.0
// Starts child processes, waits between starts that fail, lets one take over from the last, and keeps writes and loads apart.
import { type Clock, sleep } from "../../../time.ts";
import { type Unavailable, unavailable } from "../../store.ts";
import type { StartFailed, TokenChild } from "./token-child.ts";

/** The longest that a call waits before a start is tried again. */
const CALL_BACKOFF_MS = 1_000;
/** The longest that an agent nobody calls waits before it looks for its token again. */
const IDLE_BACKOFF_MS = 30_000;

/** Failures since the last start that succeeded. */
export class StartFailures {
  readonly #clock: Pick<Clock, "now">;
  #last: { began: number; reason: Unavailable } | undefined;
  #count = 0;
  #notBefore = 0;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** A start that began at `began` failed. */
  add(began: number, reason: Unavailable): void {
    this.#last = { began, reason };
    this.#count += 1;
    this.#notBefore = this.#clock.now() + Math.min(CALL_BACKOFF_MS, 25 * 2 ** Math.min(this.#count, 10));
  }

  /** A start succeeded. */
  clear(): void {
    this.#last = undefined;
    this.#count = 0;
  }

  /** Why the last start failed, if that began at `since` or later. */
  reasonSince(since: number): Unavailable | undefined {
    return this.#last !== undefined && this.#last.began >= since ? this.#last.reason : undefined;
  }

  /** Milliseconds until a start may be tried for a call. */
  waitMs(): number {
    return Math.max(0, this.#notBefore - this.#clock.now());
  }

  /** Milliseconds until a start is tried where nobody calls. */
  idleMs(): number {
    return Math.min(IDLE_BACKOFF_MS, 500 * 2 ** Math.min(this.#count, 10));
  }
}

/** Why a child was started: a call or the first start, after one that ended, or to see the token anew. */
export type StartReason = "start" | "replace" | "refresh";

type ServingChildOptions = {
  startChild: () => TokenChild;
  clock: Clock;
  childStarted: (reason: StartReason) => void;
  /** `child` serves from now on; its start took `ms`. */
  tookOver: (child: TokenChild, ms: number) => void;
  /** A start failed. `retryMs`: when the next is due if nobody calls. */
  startFailed: (reason: Unavailable, retryMs: number) => void;
  /** A start was ended for a write: what it would have shown is still to be loaded. */
  overtaken: () => void;
  /** The child that served has ended. The next is started. */
  lost: (reason: Unavailable) => void;
};

const OVERTAKEN = unavailable("TOKEN_UNAVAILABLE", "a write has made this view out of date", 1);
const CLOSED = unavailable("TOKEN_UNAVAILABLE", "the agent is shutting down", 1);

/** One place for a child that serves, and one for a child that starts. */
export class ServingChild {
  readonly #options: ServingChildOptions;
  readonly #failures: StartFailures;
  #serving: TokenChild | undefined;
  /** The start under way. */
  #starting: Promise<void> | undefined;
  #startingChild: TokenChild | undefined;
  /** The child that was ended because a write came while it loaded. */
  #overtaken: TokenChild | undefined;
  /** Resolves when no write wants other children to wait; undefined when none does. */
  #write: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: ServingChildOptions) {
    this.#options = options;
    this.#failures = new StartFailures(options.clock);
  }

  get current(): TokenChild | undefined {
    return this.#serving;
  }

  get isWriting(): boolean {
    return this.#write !== undefined;
  }

  /** The child that serves; where there is none, one is started. `since`: when the caller asked. */
  async acquire(since: number): Promise<TokenChild | Unavailable> {
    for (;;) {
      if (this.#isClosed) return CLOSED;
      if (this.#serving !== undefined) return this.#serving;
      const failure = this.#failures.reasonSince(since);
      if (failure !== undefined) return failure;
      await this.start("start");
    }
  }

  /** Why the last start failed, if that began at `since` or later and none has succeeded after it. */
  failureSince(since: number): Unavailable | undefined {
    return this.#failures.reasonSince(since);
  }

  /** One attempt at a time, shared by all who need it. Resolves when it has ended, however. */
  start(reason: StartReason): Promise<void> {
    this.#starting ??= this.#attempt(reason).finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /**
   * Does `work` while no other child loads: one that began to load before a write would take over with a view that lacks
   * it, or with half of it.
   */
  async whileNoneLoads<T>(work: () => Promise<T>): Promise<T> {
    while (this.#write !== undefined) await this.#write;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#write = promise;
    try {
      await this.#overtake();
      return await work();
    } finally {
      this.#write = undefined;
      resolve();
    }
  }

  /** Ends both children, and starts none any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#startingChild?.kill(CLOSED);
    this.#serving?.kill(CLOSED);
    await this.#starting;
  }

  async #attempt(reason: StartReason): Promise<void> {
    const { clock, startChild, childStarted } = this.#options;
    const waitMs = this.#failures.waitMs();
    if (waitMs > 0) await sleep(clock, waitMs);
    while (this.#serving !== undefined && this.#write !== undefined) await this.#write;
    if (this.#isClosed) return;
    const began = clock.now();
    const child = startChild();
    this.#startingChild = child;
    childStarted(reason);
    const outcome = await child.started;
    this.#startingChild = undefined;
    if (this.#isClosed) child.kill(CLOSED);
    else if (this.#overtaken === child) this.#giveUp(child);
    else if (outcome.kind === "ready") this.#takeOver(child, began);
    else this.#failed(began, outcome);
  }

  /** Ends the child that loads, if one does, as long as another serves. */
  async #overtake(): Promise<void> {
    const loading = this.#startingChild;
    if (this.#serving === undefined || loading === undefined) return;
    this.#overtaken = loading;
    await loading.settledLogin();
    loading.kill(OVERTAKEN);
    await this.#starting;
  }

  #giveUp(child: TokenChild): void {
    child.kill(OVERTAKEN);
    this.#options.overtaken();
  }

  #takeOver(child: TokenChild, began: number): void {
    this.#failures.clear();
    const previous = this.#serving;
    this.#serving = child;
    previous?.retire();
    void child.ended.then((reason) => this.#ended(child, reason));
    this.#options.tookOver(child, this.#options.clock.now() - began);
  }

  #failed(began: number, { reason, gone }: StartFailed): void {
    this.#failures.add(began, reason);
    // A token that is positively gone, or refuses its PIN, must not be answered for from the cache; what else stops a start says nothing of it.
    if (gone) this.#serving?.kill(reason);
    this.#options.startFailed(reason, this.#failures.idleMs());
  }

  #ended(child: TokenChild, reason: Unavailable): void {
    if (this.#serving !== child) return;
    this.#serving = undefined;
    if (this.#isClosed) return;
    this.#options.lost(reason);
    void this.start("replace");
  }
}
