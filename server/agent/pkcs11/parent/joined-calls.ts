// SPDX-License-Identifier: Apache-2.0
// Coalesces identical calls in flight into one, with a deadline for each caller.
import type { Clock } from "../../../time.ts";

type Shared<T> = { result: Promise<T>; waiting: number; abandon: AbortController };

export type JoinOptions<T> = {
  /** Callers with the same key share one call. Undefined: never shared. */
  key: string | undefined;
  /** Makes the call. Its signal aborts when nobody waits for it any more. */
  start: (signal: AbortSignal) => Promise<T>;
  /** Milliseconds from now until `late` is the answer. */
  deadlineMs: number;
  late: () => T;
  signal?: AbortSignal | undefined;
};

/** Calls that join. The result never takes longer than its caller's deadline, whatever the token does. */
export const createJoinedCalls = <T>(clock: Clock) => {
  const underWay = new Map<string, Shared<T>>();

  const begin = ({ key, start }: JoinOptions<T>): Shared<T> => {
    const abandon = new AbortController();
    const shared: Shared<T> = { result: start(abandon.signal), waiting: 0, abandon };
    if (key === undefined) return shared;
    underWay.set(key, shared);
    const forget = (): void => {
      if (underWay.get(key) === shared) underWay.delete(key);
    };
    shared.abandon.signal.addEventListener("abort", forget);
    void shared.result.finally(forget);
    return shared;
  };

  return (options: JoinOptions<T>): Promise<T> => {
    const shared = (options.key === undefined ? undefined : underWay.get(options.key)) ?? begin(options);
    shared.waiting += 1;
    const { promise, resolve } = Promise.withResolvers<T>();
    let left = false;
    const leave = (answer: T | Promise<T>): void => {
      if (left) return;
      left = true;
      stopTimer();
      options.signal?.removeEventListener("abort", giveUp);
      shared.waiting -= 1;
      resolve(answer);
      if (shared.waiting === 0) shared.abandon.abort();
    };
    const giveUp = (): void => leave(options.late());
    const stopTimer = clock.after(options.deadlineMs, giveUp);
    options.signal?.addEventListener("abort", giveUp);
    void shared.result.then(leave);
    if (options.signal?.aborted === true) giveUp();
    return promise;
  };
};
