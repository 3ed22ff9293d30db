// SPDX-License-Identifier: Apache-2.0
// Work in order within a lane, lanes side by side, and all of it awaitable.

export type Lanes = {
  /** Runs `work` after all that was put into `lane` before. */
  put(lane: string, work: () => Promise<void>): void;
  /** Work of no lane. */
  track(work: Promise<void>): void;
  /** How many are in `lane`, the one that runs included. */
  length(lane: string): number;
  /** When nothing is under way. */
  idle(): Promise<void>;
};

/** `onFault` is told of work that threw, which is a bug or a store that can't be written; the lane goes on. */
export const createLanes = (onFault: (error: unknown) => void): Lanes => {
  const ends = new Map<string, Promise<void>>();
  const lengths = new Map<string, number>();
  const running = new Set<Promise<void>>();
  const track = (work: Promise<void>) => {
    const tracked: Promise<void> = work.catch(onFault).finally(() => running.delete(tracked));
    running.add(tracked);
  };
  return {
    put(lane, work) {
      lengths.set(lane, (lengths.get(lane) ?? 0) + 1);
      const end = (ends.get(lane) ?? Promise.resolve())
        .then(work)
        .catch(onFault)
        .finally(() => {
          const left = (lengths.get(lane) ?? 1) - 1;
          lengths.set(lane, left);
          if (left > 0) return;
          lengths.delete(lane);
          ends.delete(lane);
        });
      ends.set(lane, end);
      track(end);
    },
    track,
    length: (lane) => lengths.get(lane) ?? 0,
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
};
