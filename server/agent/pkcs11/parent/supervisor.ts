// SPDX-License-Identifier: Apache-2.0
// Supervises the child process: starts it, replaces it when it is hung, gone or stale, and reports the token's health.
import { type Clock, sleep } from "../../../time.ts";
import { type Health, type Unavailable, unavailable } from "../../store.ts";
import type { TokenView } from "../answers.ts";
import type { StartFailed, TokenChild } from "./token-child.ts";

/** Why a child was started: a call or the first start, after one that ended, or to see the token anew. */
export type StartReason = "start" | "replace" | "refresh";

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

export type Supervisor = {
  /** The child that serves; where there is none, one is started. `since`: when the caller asked. */
  acquire(since: number): Promise<TokenChild | Unavailable>;
  /**
   * Resolves once the serving child's view is as new as `since`, or with the reason why it can't be. `spaced` keeps
   * such refreshes to about a tenth of the time, for callers that could ask without end.
   */
  refreshedSince(since: number, spaced?: boolean): Promise<Unavailable | undefined>;
  /**
   * Does `work` while no other child loads: one that began to load before a write would take over with a view that lacks
   * it, or with half of it.
   */
  whileNoneLoads<T>(work: () => Promise<T>): Promise<T>;
  health(): Health;
  /** The serving child, without starting one. */
  serving(): TokenChild | undefined;
  /** What the last load took in milliseconds. */
  lastLoadMs(): number;
  close(): Promise<void>;
};

const RESTLESS = unavailable("TOKEN_UNAVAILABLE", "the token kept changing while it was listed", 1);
const OVERTAKEN = unavailable("TOKEN_UNAVAILABLE", "a write has made this view out of date", 1);
const CLOSED = unavailable("TOKEN_UNAVAILABLE", "the agent is shutting down", 1);

/** The longest that a call waits before a start is tried again. */
const CALL_BACKOFF_MS = 1_000;
/** The longest that an agent nobody calls waits before it looks for its token again. */
const IDLE_BACKOFF_MS = 30_000;
/** How often a module that caches is asked whether its token is there: nothing else would notice before a refresh. */
const PROBE_MS = 1_000;
/** Loading takes at most a tenth of the time. */
const LOAD_SHARE = 10;

/** What a probe is spared while a write is under way: the write itself will notice. */
const PRESENT = { answer: { kind: "present", present: true } } as const;

/** Supervises the children of one token. Starts the first at once. */
export const createSupervisor = (options: SupervisorOptions): Supervisor => {
  const { clock, events } = options;
  let serving: TokenChild | undefined;
  let starting: Promise<void> | undefined;
  let startingChild: TokenChild | undefined;
  let refreshing: Promise<Unavailable | undefined> | undefined;
  let lastStart: { began: number; failure: Unavailable } | undefined;
  let health: Health = {
    ready: false,
    code: "TOKEN_UNAVAILABLE",
    message: "the token has not been read yet",
  };
  let failures = 0;
  let notBefore = 0;
  let loadMs = 0;
  /** The same of the last refresh in place; a start also takes what starting a process takes. */
  let inPlaceMs = 0;
  let loadEnded = Number.NEGATIVE_INFINITY;
  let closed = false;
  /** Resolves when no write wants other children to wait; undefined when none does. */
  let writes: Promise<unknown> | undefined;
  /** Children that were ended because a write came while they loaded. */
  const overtaken = new WeakSet<TokenChild>();
  let stopTimer = (): void => undefined;
  let stopProbe = (): void => undefined;

  const sleepUntil = (time: number): Promise<void> => sleep(clock, Math.max(0, time - clock.now()));

  const setHealth = (next: Health): void => {
    health = next;
    events.health(next);
  };
  const setUnavailable = ({ code, message }: Unavailable): void => setHealth({ ready: false, code, message });

  const schedule = (ms: number, action: () => void): void => {
    stopTimer();
    if (!closed) stopTimer = clock.after(ms, action);
  };

  const scheduleRefresh = (tookMs: number): void =>
    schedule(Math.max(options.refreshIntervalMs, LOAD_SHARE * tookMs), () => void refresh());

  const onLoaded = (child: TokenChild, ms: number): void => {
    loadMs = ms;
    loadEnded = clock.now();
    events.loaded(child.view?.objects ?? 0, ms / 1000);
    setHealth({ ready: true });
    const nextMs = child.view?.cache === "live" ? inPlaceMs : ms;
    scheduleRefresh(nextMs);
  };

  /** Asks a caching module for its token from time to time, as long as it serves: its memory must not outlive the token. */
  const watchToken = (child: TokenChild): void => {
    stopProbe();
    if (child.view?.cache !== "cached" || closed) return;
    stopProbe = clock.after(PROBE_MS, () => void probe(child));
  };

  const probe = async (child: TokenChild): Promise<void> => {
    const { answer } = writes === undefined ? await child.call({ type: "probe" }) : PRESENT;
    // Another process's load can end this child's session, too. A new child tells whether the token is there: if it is, it takes
    // over, and else it ends this one.
    if (serving === child && answer.kind === "present" && !answer.present) await start("refresh");
    if (serving === child) watchToken(child);
  };

  const onEnded = (child: TokenChild, reason: Unavailable): void => {
    if (serving !== child) return;
    serving = undefined;
    if (closed) return;
    setUnavailable(reason);
    void start("replace");
  };

  const onStartFailed = (began: number, { reason: failure, gone }: StartFailed): void => {
    lastStart = { began, failure };
    failures += 1;
    notBefore = clock.now() + Math.min(CALL_BACKOFF_MS, 25 * 2 ** Math.min(failures, 10));
    // A token that is positively gone, or refuses its PIN, must not be answered for from memory; what else stops a start says nothing of it.
    if (gone) serving?.kill(failure);
    if (serving === undefined) setUnavailable(failure);
    schedule(Math.min(IDLE_BACKOFF_MS, 500 * 2 ** Math.min(failures, 10)), () => void start("replace"));
  };

  /** One attempt at a time, shared by all who need it. Takes over from the child that serves when it is ready. */
  const start = (reason: StartReason): Promise<void> => {
    starting ??= (async () => {
      if (clock.now() < notBefore) await sleepUntil(notBefore);
      while (serving !== undefined && writes !== undefined) await writes;
      if (closed) return;
      const began = clock.now();
      const child = options.startChild();
      startingChild = child;
      events.childStarted(reason);
      const outcome = await child.started;
      startingChild = undefined;
      if (closed) return child.kill(CLOSED);
      if (overtaken.has(child)) {
        child.kill(OVERTAKEN);
        return scheduleRefresh(0);
      }
      if (outcome.kind !== "ready") return onStartFailed(began, outcome);
      failures = 0;
      lastStart = undefined;
      const previous = serving;
      serving = child;
      previous?.retire();
      void child.ended.then((ended) => onEnded(child, ended));
      onLoaded(child, clock.now() - began);
      watchToken(child);
    })().finally(() => {
      starting = undefined;
    });
    return starting;
  };

  const whileNoneLoads = async <T>(work: () => Promise<T>): Promise<T> => {
    while (writes !== undefined) await writes;
    const { promise, resolve } = Promise.withResolvers<void>();
    writes = promise;
    try {
      if (serving !== undefined && startingChild !== undefined) {
        const loading = startingChild;
        overtaken.add(loading);
        await loading.settledLogin();
        loading.kill(OVERTAKEN);
        await starting;
      }
      return await work();
    } finally {
      writes = undefined;
      resolve();
    }
  };

  const acquire = async (since: number): Promise<TokenChild | Unavailable> => {
    for (;;) {
      if (closed) return CLOSED;
      if (serving !== undefined) return serving;
      if (lastStart !== undefined && lastStart.began >= since) return lastStart.failure;
      await start("start");
    }
  };

  /** A live module's index, read again in place. */
  const refreshInPlace = (child: TokenChild): Promise<Unavailable | undefined> => {
    refreshing ??= (async () => {
      const began = clock.now();
      const { answer } = await child.call({ type: "refresh" });
      if (answer.kind === "unavailable") return answer;
      if (answer.kind === "stale") {
        scheduleRefresh(clock.now() - began);
        return RESTLESS;
      }
      if (answer.kind !== "refreshed") {
        const said = "the token could not be listed: an answer out of turn";
        const reason = unavailable("TOKEN_UNAVAILABLE", said);
        child.kill(reason);
        return reason;
      }
      inPlaceMs = clock.now() - began;
      if (child === serving) onLoaded(child, inPlaceMs);
      return undefined;
    })().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };

  const refresh = async (): Promise<void> => {
    if (serving?.view?.cache === "live") await refreshInPlace(serving);
    else await start("refresh");
  };

  const refreshedSince = async (since: number, spaced = false): Promise<Unavailable | undefined> => {
    for (;;) {
      const child = await acquire(since);
      if ("kind" in child) return child;
      if (child.loadedSince >= since) return undefined;
      if (child.view?.cache === "cached") {
        if (lastStart !== undefined && lastStart.began >= since) return lastStart.failure;
        await start("refresh");
        continue;
      }
      if (refreshing !== undefined) {
        await refreshing;
        continue;
      }
      const next = loadEnded + Math.min(LOAD_SHARE * inPlaceMs, options.longestSpacingMs);
      if (spaced && clock.now() < next) {
        await sleepUntil(next);
        continue;
      }
      const failed = await refreshInPlace(child);
      if (failed !== undefined) return failed;
    }
  };

  void start("start");
  return {
    acquire,
    refreshedSince,
    whileNoneLoads,
    health: () => health,
    serving: () => serving,
    lastLoadMs: () => loadMs,
    close: async () => {
      closed = true;
      stopTimer();
      stopProbe();
      startingChild?.kill(CLOSED);
      serving?.kill(CLOSED);
      await starting;
    },
  };
};
