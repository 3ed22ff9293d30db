// SPDX-License-Identifier: Apache-2.0
// Time as a parameter: what the store's timers run on.

export type Clock = {
  /** Milliseconds that only ever grow. */
  now(): number;
  /** Runs `action` after `ms`. Calling the result stops it. */
  after(ms: number, action: () => void): () => void;
};

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};
