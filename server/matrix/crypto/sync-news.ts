// SPDX-License-Identifier: Apache-2.0
// Tells the syncs that hold something new for the crypto machine from those that need not be given to it.
import type { DeviceLists } from "./olm-machine.ts";

export type SyncNews = {
  /**
   * To be called once the machine has taken the sync in; undefined where there is nothing in it for the machine. The arguments are
   * those of receiveSyncChanges.
   */
  look(
    events: string,
    lists: DeviceLists,
    keyCounts: Record<string, number>,
    unusedFallbackKeys: readonly string[],
  ): (() => void) | undefined;
  /** What the machine has of the homeserver's counts may be newer than the last sync's. */
  forget(): void;
};

/** The machine ends verifications that nobody goes on with when it is given a sync. */
const AT_LEAST_EVERY_MS = 20_000;

/**
 * The machine reads, copies and writes the account at each sync, and with it derives each of its fifty keys anew: that is three
 * milliseconds, ten times the rest of an empty sync. A command brings several of those.
 * @param now milliseconds, monotonic
 */
export const createSyncNews = (now: () => number): SyncNews => {
  let counts: string | undefined;
  let takenAt = Number.NEGATIVE_INFINITY;
  return {
    look(events, lists, keyCounts, unusedFallbackKeys) {
      const told = JSON.stringify([Object.entries(keyCounts).toSorted(), unusedFallbackKeys.toSorted()]);
      const isNews = events !== "[]" || !lists.isEmpty() || told !== counts;
      if (!isNews && now() - takenAt < AT_LEAST_EVERY_MS) return undefined;
      counts = undefined;
      return () => {
        counts = told;
        takenAt = now();
      };
    },
    forget() {
      counts = undefined;
    },
  };
};
