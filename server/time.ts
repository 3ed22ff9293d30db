// SPDX-License-Identifier: Apache-2.0
// Defines clocks, sleep and timers as parameters, and the backoff after failures: 2^n seconds up to a minute, twenty retries in
// a row.

export type Clock = {
  /** Milliseconds; each clock says since when. */
  now(): number;
  /** Runs `action` after `ms`. Calling the result stops it. */
  after(ms: number, action: () => void): () => void;
};

const after: Clock["after"] = (ms, action) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};

/** Milliseconds that only ever grow: for how long something takes. */
export const monotonicClock: Clock = { now: () => performance.now(), after };

/** Milliseconds since the epoch: for what is compared with the times of others. It can be set. */
export const wallClock: Clock = { now: () => Date.now(), after };

/** RFC 3339 in whole seconds, as metav1.Time has it; what is left of a second is cut off. */
export const rfc3339 = (date: Date): string => {
  const second = Math.floor(date.getTime() / 1000);
  if (second !== lastWritten.second) {
    lastWritten = { second, text: `${date.toISOString().slice(0, -".000Z".length)}Z` };
  }
  return lastWritten.text;
};
/** Each hook call asks for the time, and hundreds do in one second. */
let lastWritten = { second: Number.NaN, text: "" };

/** Ends early, without an error, when the signal is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** Resolves after `ms` of `clock`, or when the signal is aborted. */
export const sleep = (clock: Clock, ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal?.addEventListener("abort", end);
  });

/** Aborted after `ms` of real time, a part of one counted as a whole, and at least one. */
export const timeLimit = (ms: number): AbortSignal => AbortSignal.timeout(Math.max(1, Math.ceil(ms)));

/**
 * What `work` comes to, with a signal that is aborted after `ms` of real time, as that of timeLimit. It goes when the work is over,
 * where that of timeLimit stays until its time is: for what is done hundreds of times a second.
 */
export const withinTime = async <T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const limit = new AbortController();
  const late = (): void =>
    limit.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  const timer = setTimeout(late, Math.max(1, Math.ceil(ms))).unref();
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
  }
};

/** Timers that end together. */
export type Timers = {
  after: Clock["after"];
  /** Stops all that have not run. */
  clear(): void;
};

export const createTimers = (clock: Clock): Timers => {
  const cancels = new Set<() => void>();
  return {
    after(ms, action) {
      const stop = clock.after(ms, () => {
        cancels.delete(cancel);
        action();
      });
      const cancel = () => {
        cancels.delete(cancel);
        stop();
      };
      cancels.add(cancel);
      return cancel;
    },
    clear() {
      for (const cancel of [...cancels]) cancel();
    },
  };
};

/** Retries in a row; the next failure is the end. */
const MAX_RETRIES = 20;

const MAX_DELAY_MS = 60_000;
/** A homeserver may ask for a longer wait, but not for one that never ends. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/**
 * Milliseconds before retry number `retry`, which counts from 0; the first comes after a second.
 * @param retryAfterMs what the homeserver asked for (M_LIMIT_EXCEEDED); it is waited for where it is longer
 */
export const retryDelay = (retry: number, retryAfterMs = 0): number =>
  Math.max(Math.min(1000 * 2 ** retry, MAX_DELAY_MS), Math.min(retryAfterMs, MAX_RETRY_AFTER_MS));

/** Counts failures in a row. */
export type Backoff = {
  /** Since the last success. */
  readonly failures: number;
  /** Milliseconds to wait before the next retry, or undefined when there have been enough. */
  failed(retryAfterMs?: number): number | undefined;
  /** It worked: the count begins anew. Answers how many failures came before. */
  succeeded(): number;
};

export const createBackoff = (maxRetries = MAX_RETRIES): Backoff => {
  let failures = 0;
  return {
    get failures() {
      return failures;
    },
    failed(retryAfterMs) {
      failures += 1;
      return failures > maxRetries ? undefined : retryDelay(failures - 1, retryAfterMs);
    },
    succeeded() {
      const before = failures;
      failures = 0;
      return before;
    },
  };
};
