// SPDX-License-Identifier: Apache-2.0
// What the token takes: as configured, as it says, or as it has shown by refusing objects or by not showing them.
import type { Clock } from "../../clock.ts";
import type { TokenLimits } from "../storage/write-plan.ts";

export type WriteLimits = {
  /** For the next write. `cache` is that of the module. */
  current(cache: "live" | "cached"): TokenLimits;
  /** The token had `objects` data objects and did not take, or show, one more of `bytes`. */
  refused(learned: { objects: number; bytes: number }): void;
  /** The token holds `objects` data objects, the largest new one of which has `bytes`. */
  taken(taken: { objects: number; bytes: number }): void;
};

export type ConfiguredLimits = { maxObjects?: number; maxObjectBytes?: number };

/** What a PKCS#15 card took, measured: larger values are split. Modules that keep files, such as SoftHSM2, have no limit. */
const CARD_OBJECT_BYTES = 4096;

/** How long what a refusal has taught is believed: its cause may have been another one than a limit. */
const BELIEVED_MS = 10 * 60 * 1000;

/**
 * Limits that start with what is configured. What was learned is forgotten when the token takes more after all, and after a
 * while, so that a write is tried again.
 */
export const createWriteLimits = (
  { maxObjects, maxObjectBytes }: ConfiguredLimits,
  clock: Pick<Clock, "now">,
): WriteLimits => {
  let found: { limit: number; fromBytes: number; until: number } | undefined;
  const known = (): { limit: number; fromBytes: number } | undefined => {
    if (found !== undefined && clock.now() >= found.until) found = undefined;
    return found && { limit: found.limit, fromBytes: found.fromBytes };
  };
  const objectsOf = (): TokenLimits["objects"] => {
    const learned = known();
    if (maxObjects !== undefined && (learned === undefined || maxObjects <= learned.limit)) {
      return { limit: maxObjects, fromBytes: 0, source: "configured" };
    }
    return learned === undefined ? null : { ...learned, source: "learned" };
  };
  return {
    current: (cache) => ({
      maxObjectBytes: maxObjectBytes ?? (cache === "cached" ? CARD_OBJECT_BYTES : null),
      objects: objectsOf(),
    }),
    refused: ({ objects, bytes }) => {
      const learned = known();
      // The lower bound of both stays: fewer objects, and smaller ones, were refused before.
      if (learned !== undefined && learned.limit <= objects && learned.fromBytes <= bytes) return;
      found = { limit: objects, fromBytes: bytes, until: clock.now() + BELIEVED_MS };
    },
    taken: ({ objects, bytes }) => {
      const learned = known();
      if (learned !== undefined && objects > learned.limit && bytes >= learned.fromBytes) found = undefined;
    },
  };
};
