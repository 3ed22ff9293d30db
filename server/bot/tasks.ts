// SPDX-License-Identifier: Apache-2.0
// Work that nobody waits for, but whose end can be awaited.

export type Tasks = {
  track(work: Promise<void>): void;
  /** When nothing is under way. */
  idle(): Promise<void>;
};

/** `onFault` is told of work that threw, which is a bug or a store that can't be written. */
export const createTasks = (onFault: (error: unknown) => void): Tasks => {
  const running = new Set<Promise<void>>();
  return {
    track(work) {
      const tracked: Promise<void> = work.catch(onFault).finally(() => running.delete(tracked));
      running.add(tracked);
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
};
