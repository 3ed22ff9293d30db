// SPDX-License-Identifier: Apache-2.0
// Time as a parameter: what the time is, and waiting.

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
