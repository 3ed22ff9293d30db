// SPDX-License-Identifier: Apache-2.0
// Limits the bytes in memory at once, with a queue for those that wait.

export type ByteBudget = {
  /** Takes room at once; undefined where there is none, or others wait for it. The answer gives it back. */
  tryTake(bytes: number): (() => void) | undefined;
  /** Waits for room, first come, first served; undefined when `signal` ends the wait, or when too many bytes wait. */
  take(bytes: number, signal: AbortSignal): Promise<(() => void) | undefined>;
};

/** A budget of so many bytes. What is larger than all of it is let in when nothing else is. */
export const createByteBudget = (maximum: number, maximumWaiting = Number.POSITIVE_INFINITY): ByteBudget => {
  let taken = 0;
  let waitingBytes = 0;
  const waiting = new Set<{ bytes: number; enter: () => void }>();
  const fits = (bytes: number): boolean => taken === 0 || taken + bytes <= maximum;
  const grant = (bytes: number): (() => void) => {
    taken += bytes;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      taken -= bytes;
      for (const one of waiting) {
        if (!fits(one.bytes)) break;
        one.enter();
      }
    };
  };
  return {
    tryTake: (bytes) => (waiting.size === 0 && fits(bytes) ? grant(bytes) : undefined),
    take: (bytes, signal) => {
      if (signal.aborted) return Promise.resolve(undefined);
      if (waiting.size === 0 && fits(bytes)) return Promise.resolve(grant(bytes));
      if (waiting.size > 0 && waitingBytes + bytes > maximumWaiting) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const leave = (granted: (() => void) | undefined): void => {
          waiting.delete(one);
          waitingBytes -= bytes;
          signal.removeEventListener("abort", giveUp);
          resolve(granted);
        };
        const one = { bytes, enter: () => leave(grant(bytes)) };
        const giveUp = (): void => leave(undefined);
        waiting.add(one);
        waitingBytes += bytes;
        signal.addEventListener("abort", giveUp);
      });
    },
  };
};
