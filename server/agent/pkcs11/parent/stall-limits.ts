// SPDX-License-Identifier: Apache-2.0
// Learns from earlier starts how long a starting child may go without progress before it counts as hung.
import type { Stage } from "../messages.ts";

/** A first attach may be slow: OpenSC reads the whole card in C_Initialize. Limits never exceed this. */
const LONGEST_MS = 120_000;

/** The shortest limit of a stage that was quick before. */
const SHORTEST_MS = 1_000;

/** After so many failures in a row a stage that was quick before counts as one that has become slow. */
const STALLS_BEFORE_GROWTH = 30;

/** Starting a process can be slow on a busy machine whatever the token does. */
const BOOT_MS = 30_000;

export type StallLimits = {
  /** Milliseconds that `stage` may take from the last sign of progress. */
  limit(stage: Stage): number;
  /** A stage came to its end, or showed progress, after `ms`. */
  completed(stage: Stage, ms: number): void;
  /** A child was given up in `stage`. */
  stalled(stage: Stage): void;
};

/**
 * Limits around `operationTimeoutMs`. A stage that was completed before gets ten times its longest time, and at least a
 * second or half the timeout, so that a token which answers again is not waited for long; twice as long after every 30
 * failures in a row, for a token that has become slow for good. One that never was gets the timeout, twice as long after
 * each failure. A log-in always gets that: to give it up may cost a try of the PIN, of which there are few.
 */
export const createStallLimits = (operationTimeoutMs: number): StallLimits => {
  const longest = new Map<Stage, number>();
  const stalls = new Map<Stage, number>();
  const shortest = Math.min(SHORTEST_MS, operationTimeoutMs / 2);
  return {
    limit: (stage) => {
      if (stage === "boot") return BOOT_MS;
      const failed = stalls.get(stage) ?? 0;
      const known = longest.get(stage);
      if (stage === "login") {
        return Math.min(LONGEST_MS, Math.max(operationTimeoutMs, (known ?? 0) * 10) * 2 ** failed);
      }
      return Math.min(
        LONGEST_MS,
        known === undefined
          ? operationTimeoutMs * 2 ** failed
          : Math.max(shortest, known * 10) * 2 ** Math.floor(failed / STALLS_BEFORE_GROWTH),
      );
    },
    completed: (stage, ms) => {
      longest.set(stage, Math.max(ms, longest.get(stage) ?? 0));
      stalls.delete(stage);
    },
    stalled: (stage) => {
      stalls.set(stage, (stalls.get(stage) ?? 0) + 1);
    },
  };
};
