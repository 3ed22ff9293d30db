// SPDX-License-Identifier: Apache-2.0
// Time as a parameter of the chat commands: the wall clock, and waiting.

export type Clock = {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `action` after `ms`. Calling the result stops it. */
  after(ms: number, action: () => void): () => void;
};

export const wallClock: Clock = {
  now: () => Date.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};
