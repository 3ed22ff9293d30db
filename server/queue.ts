// SPDX-License-Identifier: Apache-2.0
// Queues work within the process: serial, serial by key, and bounded.

/** Runs each work when everything before it has ended, however it ended. The answer is the work's own. */
export type SerialQueue = <T>(work: () => Promise<T>) => Promise<T>;

export const createSerialQueue = (): SerialQueue => {
  let end: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = end.then(work);
    end = result.catch(() => undefined);
    return result;
  };
};

/** Serial queues, one for each key, side by side. */
export type KeyedQueue = {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** How many of `key` wait or run. */
  length(key: string): number;
};

export const createKeyedQueue = (): KeyedQueue => {
  const queues = new Map<string, { run: SerialQueue; length: number }>();
  return {
    async run(key, work) {
      const queue = queues.get(key) ?? { run: createSerialQueue(), length: 0 };
      queues.set(key, queue);
      queue.length += 1;
      try {
        return await queue.run(work);
      } finally {
        queue.length -= 1;
        if (queue.length === 0) queues.delete(key);
      }
    },
    length: (key) => queues.get(key)?.length ?? 0,
  };
};

/** Hands one call at a time on, in the order in which they came. */
export type BoundedQueue<Call, Result> = {
  /** Queues a call. Undefined: the queue is full. A call whose signal aborts before its turn is never made. */
  submit(call: Call, signal: AbortSignal): Promise<Result> | undefined;
  /** How many calls wait or run. */
  readonly length: number;
};

type Waiting<Call, Result> = { call: Call; signal: AbortSignal; resolve: (result: Promise<Result>) => void };

/** A queue of at most `capacity` calls; `run` never rejects. `changed` is told whenever the length may be another. */
export const createBoundedQueue = <Call, Result>(
  capacity: number,
  run: (call: Call) => Promise<Result>,
  changed: () => void,
): BoundedQueue<Call, Result> => {
  const queue: Waiting<Call, Result>[] = [];
  let running = false;

  const work = async (): Promise<void> => {
    running = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (next.signal.aborted) continue; // nobody waits for the answer any more
      const result = run(next.call);
      next.resolve(result);
      await result;
      changed();
    }
    running = false;
    changed();
  };

  return {
    submit: (call, signal) => {
      if (queue.length >= capacity) return undefined;
      const { promise, resolve } = Promise.withResolvers<Result>();
      queue.push({ call, signal, resolve });
      if (!running) void work();
      changed();
      return promise;
    },
    get length() {
      return queue.length + (running ? 1 : 0);
    },
  };
};
