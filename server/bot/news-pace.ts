// SPDX-License-Identifier: Apache-2.0
// Bounds how often a room is told of one Toggle: where two programs fight over it, nobody is to be called every second.
import type { Clock } from "../time.ts";

const MOST_TOLD = 5;
/** Shorter than the time after which a change is no news any more: what has to wait is still told. */
const WITHIN_MS = 5 * 60_000;

export type NewsPace = {
  /** Whether there may be news of a Toggle now; otherwise it is looked at again when there may. */
  allows(name: string): boolean;
  /** There were. */
  told(name: string): void;
};

/** In memory alone. `later` is asked to have a Toggle looked at after `ms`; once, until that is over. */
export const createNewsPace = (
  clock: Pick<Clock, "now">,
  later: (name: string, ms: number) => void,
): NewsPace => {
  /** When each was told of, and until when it waits. */
  const told = new Map<string, { times: number[]; waitsUntil: number }>();
  const forget = (now: number): void => {
    for (const [name, { times }] of told) if (now - (times.at(-1) ?? 0) >= WITHIN_MS) told.delete(name);
  };
  return {
    allows(name) {
      const now = clock.now();
      const one = told.get(name);
      const first = one?.times.at(-MOST_TOLD);
      if (one === undefined || first === undefined || now - first >= WITHIN_MS) return true;
      const ms = first + WITHIN_MS - now;
      if (one.waitsUntil <= now) later(name, ms);
      one.waitsUntil = Math.max(one.waitsUntil, now + ms);
      return false;
    },
    told(name) {
      const now = clock.now();
      forget(now);
      const { times = [], waitsUntil = 0 } = told.get(name) ?? {};
      told.set(name, { times: [...times, now].slice(-MOST_TOLD), waitsUntil });
    },
  };
};
