// SPDX-License-Identifier: Apache-2.0
// Gives the changes of one token their turns, and refuses those that would wait for too long.
import { type BoundedQueue, createBoundedQueue } from "../../../queue.ts";
import type { Clock } from "../../../time.ts";
import { type Unavailable, unavailable } from "../../store.ts";

/** Changes that may wait; one more is refused at once. */
const CAPACITY = 100;

type ChangeTurnsOptions = {
  clock: Clock;
  /** How long a change may wait for its turn. */
  waitMs: number;
  /** Told whenever `length` may be another. */
  changed: () => void;
};

/** Turns of changes: one at a time, up to a limit of length and of waiting time. */
export class ChangeTurns {
  readonly #options: ChangeTurnsOptions;
  readonly #queue: BoundedQueue<() => Promise<unknown>, unknown>;

  constructor(options: ChangeTurnsOptions) {
    this.#options = options;
    this.#queue = createBoundedQueue(CAPACITY, (work) => work(), options.changed);
  }

  /** Waiting or running. */
  get length(): number {
    return this.#queue.length;
  }

  /** Does `work` when all before it has ended. Work that is refused was not begun. */
  async take<T>(work: () => Promise<T>): Promise<T | Unavailable> {
    const late = new AbortController();
    const { promise, resolve } = Promise.withResolvers<T | Unavailable>();
    const stop = this.#options.clock.after(this.#options.waitMs, () => {
      late.abort();
      resolve(unavailable("TIMEOUT", "the token was busy with other writes; this one was not begun", 1));
    });
    const queued = this.#queue.submit(async () => {
      stop();
      resolve(await work());
    }, late.signal);
    if (queued === undefined) {
      stop();
      return unavailable("TIMEOUT", "too many writes are waiting for the token; this one was not begun", 1);
    }
    return promise;
  }
}
