// SPDX-License-Identifier: Apache-2.0
// Remembers which messages the bot has sent, and in which threads, so that replies to them are known over a restart.
import type { Clock } from "../time.ts";
import type { BotStore } from "./store.ts";

export type OwnMessages = {
  /** Whether `event` was kept. */
  has(event: string): boolean;
  /** Keeps a message that was sent, or the root of a thread that it was sent in. */
  keep(event: string): void;
};

/** Nobody replies to what is longer ago, or further up. */
const KEPT_MS = 30 * 24 * 3_600_000;
const MOST_KEPT = 2_000;

const AREA = "said";

const timeOf = (bytes: Uint8Array): number => Number(Buffer.from(bytes).toString("utf8"));

/** Reads what is in the store, and drops there what is old; nobody else may write to its area. */
export const openOwnMessages = (store: BotStore, clock: Pick<Clock, "now">): OwnMessages => {
  const kept = new Map<string, number>();
  const drop = (event: string): void => {
    kept.delete(event);
    store.delete(AREA, event);
  };
  const oldestFirst = [...store.entries(AREA)]
    .map(([event, bytes]) => [event, timeOf(bytes)] as const)
    .sort(([, a], [, b]) => a - b);
  for (const [event, at] of oldestFirst) kept.set(event, at);
  for (const [event, at] of oldestFirst) if (clock.now() - at > KEPT_MS) drop(event);
  return {
    has: (event) => kept.has(event),
    keep(event) {
      if (kept.has(event)) return;
      const now = clock.now();
      kept.set(event, now);
      // It comes again where it is lost: the message is then sent again, and has the same id.
      store.put(AREA, event, String(now), "soon");
      const [oldest] = kept.keys();
      if (kept.size > MOST_KEPT && oldest !== undefined) drop(oldest);
    },
  };
};
