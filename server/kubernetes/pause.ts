// SPDX-License-Identifier: Apache-2.0
// Waits on a clock, and no longer than until it is called off.
import type { Clock } from "../clock.ts";

/** Resolves after `ms`, or when the signal is aborted. */
export const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener("abort", end);
  });
