// SPDX-License-Identifier: Apache-2.0
// Implements client-go's work queue of keys: one worker at a time for a key, and one place in the queue however often it was
// added.

/** What became of a key: forget its failures, try again with a growing delay, or come again later. */
export type Verdict = { kind: "done" } | { kind: "retry" } | { kind: "after"; ms: number };

/** Time as the queue needs it; a test brings its own. */
export type QueueClock = {
  /** Milliseconds that never go back. */
  now: () => number;
  /** Calls `fire` once after `ms`; the answer calls it off. */
  after: (ms: number, fire: () => void) => () => void;
};

export type WorkQueueOptions = {
  workers: number;
  clock?: QueueClock;
  /** Must not throw. */
  work: (key: string) => Promise<Verdict>;
};

export type WorkQueue = {
  add: (key: string) => void;
  /** Adds the key later. Of several delays for one key, the shortest counts. */
  addAfter: (key: string, ms: number) => void;
  /** True while a key waits for a worker or is worked on. Delayed keys do not count. */
  busy: () => boolean;
  /** Resolves when the queue is not busy. */
  idle: () => Promise<void>;
  /** Drops what waits and resolves when the workers have finished. */
  close: () => Promise<void>;
};

// workqueue.DefaultTypedControllerRateLimiter: 5 ms, doubled at each failure, up to 1000 s.
const FIRST_RETRY_MS = 5;
const LONGEST_RETRY_MS = 1_000_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const realClock: QueueClock = {
  now: () => performance.now(),
  after: (ms, fire) => {
    const timer = setTimeout(fire, Math.min(ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

export const createWorkQueue = ({ workers, work, clock = realClock }: WorkQueueOptions): WorkQueue => {
  const waiting: string[] = [];
  const dirty = new Set<string>();
  const processing = new Set<string>();
  const failures = new Map<string, number>();
  const delayed = new Map<string, { at: number; cancel: () => void }>();
  let idlers: (() => void)[] = [];
  let closed = false;

  const busy = () => waiting.length > 0 || processing.size > 0;

  const add = (key: string) => {
    if (closed || dirty.has(key)) return;
    dirty.add(key);
    if (processing.has(key)) return;
    waiting.push(key);
    pump();
  };

  const addAfter = (key: string, ms: number) => {
    if (closed) return;
    if (ms <= 0) return add(key);
    const at = clock.now() + ms;
    const existing = delayed.get(key);
    if (existing && existing.at <= at) return;
    existing?.cancel();
    const fire = () => {
      delayed.delete(key);
      add(key);
    };
    delayed.set(key, { at, cancel: clock.after(ms, fire) });
  };

  const finish = (key: string, verdict: Verdict) => {
    processing.delete(key);
    if (verdict.kind === "retry") {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      addAfter(key, Math.min(FIRST_RETRY_MS * 2 ** count, LONGEST_RETRY_MS));
    } else if (verdict.kind === "after") addAfter(key, verdict.ms);
    else failures.delete(key);
    if (!closed && dirty.has(key)) waiting.push(key);
    pump();
  };

  const pump = () => {
    while (!closed && processing.size < workers) {
      const key = waiting.shift();
      if (key === undefined) break;
      processing.add(key);
      dirty.delete(key);
      void work(key).then((verdict) => finish(key, verdict));
    }
    if (busy()) return;
    for (const resolve of idlers) resolve();
    idlers = [];
  };

  const idle = () => (busy() ? new Promise<void>((resolve) => idlers.push(resolve)) : Promise.resolve());

  return {
    add,
    addAfter,
    busy,
    idle,
    close: () => {
      closed = true;
      waiting.length = 0;
      for (const { cancel } of delayed.values()) cancel();
      delayed.clear();
      return idle();
    },
  };
};
