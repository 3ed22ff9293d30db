// SPDX-License-Identifier: Apache-2.0
// Decides when the token is loaded again, and whether the token counts as readable.
import { type Clock, sleep } from "../../../time.ts";
import { type Health, type Unavailable, unavailable } from "../../store.ts";
import type { TokenView } from "../answers.ts";
import { OUT_OF_TURN } from "./child-watch.ts";
import { Alarm, LoadTimes, pauseAfter, TokenProbe } from "./load-schedule.ts";
import { ServingChild, type StartReason } from "./serving-child.ts";
import type { TokenChild } from "./token-child.ts";

/** What the supervisor tells whoever measures. */
export type TokenEvents = {
  childStarted(reason: StartReason): void;
  /** After each load: how many data objects there are, and how long the load took in seconds. */
  loaded(objects: number, seconds: number): void;
  /** After each load and write: what there is, and how many data objects the token takes, null while not known. */
  capacity(view: TokenView, limit: number | null): void;
  /** The token can be read from now on, or can't. */
  health(health: Health): void;
};

export type SupervisorOptions = {
  startChild: () => TokenChild;
  clock: Clock;
  refreshIntervalMs: number;
  /** The longest that a `spaced` refresh is put off. */
  longestSpacingMs: number;
  events: TokenEvents;
};

const RESTLESS = unavailable("TOKEN_UNAVAILABLE", "the token kept changing while it was listed", 1);

/** Supervises the children of one token. Starts the first at once. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #child: ServingChild;
  readonly #probe: TokenProbe;
  readonly #nextLoad: Alarm;
  readonly #times = new LoadTimes();
  /** The refresh in place that is under way. */
  #refreshing: Promise<Unavailable | undefined> | undefined;
  #health: Health = {
    ready: false,
    code: "TOKEN_UNAVAILABLE",
    message: "the token has not been read yet",
  };

  constructor(options: SupervisorOptions) {
    const { clock, startChild, events } = options;
    this.#options = options;
    this.#nextLoad = new Alarm(clock);
    this.#child = new ServingChild({
      startChild,
      clock,
      childStarted: (reason) => events.childStarted(reason),
      tookOver: (child, ms) => this.#tookOver(child, ms),
      startFailed: (reason, retryMs) => this.#startFailed(reason, retryMs),
      overtaken: () => this.#loadAfter(0),
      lost: (reason) => this.#setUnavailable(reason),
    });
    this.#probe = new TokenProbe({
      clock,
      isServing: (child) => this.#child.current === child,
      isWriting: () => this.#child.isWriting,
      missing: () => this.#child.start("refresh"),
    });
    void this.#child.start("start");
  }

  /** The child that serves; where there is none, one is started. `since`: when the caller asked. */
  acquire(since: number): Promise<TokenChild | Unavailable> {
    return this.#child.acquire(since);
  }

  /** The serving child, without starting one. */
  serving(): TokenChild | undefined {
    return this.#child.current;
  }

  /**
   * Does `work` while no other child loads: one that began to load before a write would take over with a view that lacks
   * it, or with half of it.
   */
  whileNoneLoads<T>(work: () => Promise<T>): Promise<T> {
    return this.#child.whileNoneLoads(work);
  }

  health(): Health {
    return this.#health;
  }

  /** What the last load took in milliseconds. */
  lastLoadMs(): number {
    return this.#times.lastMs;
  }

  /**
   * Resolves once the serving child's view is as new as `since`, or with the reason why it can't be. `spaced` keeps
   * such refreshes to about a tenth of the time, for callers that could ask without end.
   */
  async refreshedSince(since: number, spaced = false): Promise<Unavailable | undefined> {
    for (;;) {
      const child = await this.acquire(since);
      if ("kind" in child) return child;
      if (child.loadedSince >= since) return undefined;
      const failed =
        child.view?.cache === "cached"
          ? await this.#startSince(since)
          : await this.#refreshInTurn(child, spaced);
      if (failed !== undefined) return failed;
    }
  }

  async close(): Promise<void> {
    this.#nextLoad.close();
    this.#probe.close();
    await this.#child.close();
  }

  #setHealth(health: Health): void {
    this.#health = health;
    this.#options.events.health(health);
  }

  #setUnavailable({ code, message }: Unavailable): void {
    this.#setHealth({ ready: false, code, message });
  }

  #tookOver(child: TokenChild, ms: number): void {
    this.#loaded(child, ms);
    this.#probe.watch(child);
  }

  #startFailed(reason: Unavailable, retryMs: number): void {
    if (this.serving() === undefined) this.#setUnavailable(reason);
    this.#nextLoad.set(retryMs, () => void this.#child.start("replace"));
  }

  #loaded({ view }: TokenChild, ms: number): void {
    const { clock, events } = this.#options;
    this.#times.loaded(ms, clock.now());
    events.loaded(view?.objects ?? 0, ms / 1000);
    this.#setHealth({ ready: true });
    this.#loadAfter(this.#times.nextMs(view?.cache === "live"));
  }

  /** Loads the token again when it is time, after a load that took `ms`. */
  #loadAfter(ms: number): void {
    const pauseMs = Math.max(this.#options.refreshIntervalMs, pauseAfter(ms));
    this.#nextLoad.set(pauseMs, () => void this.#load());
  }

  async #load(): Promise<void> {
    const child = this.serving();
    if (child?.view?.cache === "live") await this.#refreshInPlace(child);
    else await this.#child.start("refresh");
  }

  /** Of a module that caches a new child alone has a new view. */
  async #startSince(since: number): Promise<Unavailable | undefined> {
    const failure = this.#child.failureSince(since);
    if (failure === undefined) await this.#child.start("refresh");
    return failure;
  }

  /** After the refresh that is under way; `spaced`, not too soon after the last. */
  async #refreshInTurn(child: TokenChild, spaced: boolean): Promise<Unavailable | undefined> {
    const { clock, longestSpacingMs } = this.#options;
    if (this.#refreshing !== undefined) {
      await this.#refreshing;
      return undefined;
    }
    const waitMs = this.#times.nextSpaced(longestSpacingMs) - clock.now();
    if (!spaced || waitMs <= 0) return this.#refreshInPlace(child);
    await sleep(clock, waitMs);
    return undefined;
  }

  /** A live module's index, read again in place. */
  #refreshInPlace(child: TokenChild): Promise<Unavailable | undefined> {
    this.#refreshing ??= this.#askForRefresh(child).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #askForRefresh(child: TokenChild): Promise<Unavailable | undefined> {
    const { clock } = this.#options;
    const began = clock.now();
    const { answer } = await child.call({ type: "refresh" });
    const ms = clock.now() - began;
    switch (answer.kind) {
      case "unavailable":
        return answer;
      case "stale":
        this.#loadAfter(ms);
        return RESTLESS;
      case "refreshed":
        this.#times.tookInPlace(ms);
        if (child === this.serving()) this.#loaded(child, ms);
        return undefined;
      default:
        child.kill(OUT_OF_TURN);
        return OUT_OF_TURN;
    }
  }
}
