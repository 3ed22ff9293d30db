// SPDX-License-Identifier: Apache-2.0
// Tracks the token's write limits: configured, reported by the token, or learned from objects that it rejected or did not show.
import type { Clock } from "../../../time.ts";
import type { TokenLimits } from "../../storage/write-plan.ts";
import type { TokenView } from "../answers.ts";

/** What limits depend on of the view of a token. */
type LimitingView = Pick<TokenView, "cache" | "objects" | "shown">;

export type WriteLimits = {
  /** For the next write. */
  current(view: LimitingView | undefined): TokenLimits;
  /** The token had `objects` data objects and did not take, or show, one more of `bytes`. */
  refused(learned: { objects: number; bytes: number }): void;
  /**
   * The token did not take an object of `bytes`. Whether it is worth while to try again with smaller ones, which are then the
   * limit.
   */
  tooLarge(bytes: number): boolean;
  /** The token holds `objects` data objects, the largest new one of which has `bytes`. */
  taken(taken: { objects: number; bytes: number }): void;
};

export type ConfiguredLimits = { maxObjects?: number; maxObjectBytes?: number };

/**
 * What PKCS#15 cards take, measured (4,096: Pico HSM firmware 5.4; 4,032: firmware 6.6) or safe, tried in this order: larger
 * values are split. Modules that keep files, such as SoftHSM2, have no limit.
 */
const CARD_OBJECT_BYTES = [4096, 4032, 2048];

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
  /** The place in CARD_OBJECT_BYTES of what is tried, and of what the token has taken. */
  let size = 0;
  let proven = 0;
  let found: { limit: number; fromBytes: number; until: number } | undefined;
  const known = (): { limit: number; fromBytes: number } | undefined => {
    if (found !== undefined && clock.now() >= found.until) found = undefined;
    return found && { limit: found.limit, fromBytes: found.fromBytes };
  };
  /**
   * Data objects that fit the table of a module which hides what does not: one place is never used, as a full table can't be
   * told from one that hides something.
   */
  const shownLimit = (view: LimitingView | undefined): TokenLimits["objects"] => {
    if (view === undefined || view.shown === null) return null;
    const others = view.shown.objects - view.objects;
    return { limit: Math.max(0, view.shown.limit - 1 - others), fromBytes: 0, source: "module" };
  };
  const configured: TokenLimits["objects"] =
    maxObjects === undefined ? null : { limit: maxObjects, fromBytes: 0, source: "configured" };
  const objectsOf = (view: LimitingView | undefined): TokenLimits["objects"] => {
    const learned = known();
    const said = [
      configured,
      shownLimit(view),
      learned ? ({ ...learned, source: "learned" } as const) : null,
    ];
    return said.reduce(
      (least, one) => (least === null || (one && one.limit < least.limit) ? one : least),
      null,
    );
  };
  return {
    current: (view) => ({
      maxObjectBytes: maxObjectBytes ?? (view?.cache === "cached" ? (CARD_OBJECT_BYTES[size] ?? null) : null),
      objects: objectsOf(view),
    }),
    tooLarge: (bytes) => {
      const smaller = CARD_OBJECT_BYTES.findIndex((one, at) => at > size && one < bytes);
      if (maxObjectBytes !== undefined || smaller < 0) return false;
      size = smaller;
      return true;
    },
    refused: ({ objects, bytes }) => {
      size = proven; // it was not the size
      const learned = known();
      // The lower bound of both stays: fewer objects, and smaller ones, were refused before.
      if (learned !== undefined && learned.limit <= objects && learned.fromBytes <= bytes) return;
      found = { limit: objects, fromBytes: bytes, until: clock.now() + BELIEVED_MS };
    },
    taken: ({ objects, bytes }) => {
      proven = size;
      const learned = known();
      if (learned !== undefined && objects > learned.limit && bytes >= learned.fromBytes) found = undefined;
    },
  };
};
