// SPDX-License-Identifier: Apache-2.0
// Provides a clock that stands still until a test advances it.
import type { Clock } from "../../server/time.ts";

export type FakeClock = Clock & {
  /** Lets `ms` pass; what falls due runs in its order, and promises settle in between. */
  pass(ms: number): Promise<void>;
};

export const fakeClock = (): FakeClock => {
  let now = 0;
  const timers = new Set<{ at: number; action: () => void }>();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    after: (ms, action) => {
      const timer = { at: now + ms, action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    pass: async (ms) => {
      const until = now + ms;
      await settle();
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        now = Math.max(now, next.at);
        timers.delete(next);
        next.action();
        await settle();
      }
      now = until;
    },
  };
};
