// SPDX-License-Identifier: Apache-2.0
// A bounded queue that hands one call at a time to the token, in the order they came.

export type CallLane<Call, Result> = {
  /** Queues a call. Undefined: the queue is full. A call whose signal aborts before its turn is never made. */
  submit(call: Call, signal: AbortSignal): Promise<Result> | undefined;
  /** How many calls wait or run. */
  readonly length: number;
};

type Waiting<Call, Result> = { call: Call; signal: AbortSignal; resolve: (result: Promise<Result>) => void };

/** A lane of at most `capacity` calls; `run` never rejects. `changed` is told whenever the length may be another. */
export const createCallLane = <Call, Result>(
  capacity: number,
  run: (call: Call) => Promise<Result>,
  changed: () => void,
): CallLane<Call, Result> => {
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
