// SPDX-License-Identifier: Apache-2.0
// Which PINs may be tried: never one that failed, across all children of this agent. PINs are known by their HMAC alone.
import type { PinRefusal } from "./messages.ts";

export type PinGuard = {
  /**
   * Why a child may not call C_Login with the PIN, or undefined where it may. Then exactly one of the three below must
   * follow.
   */
  refusal(pin: string, countLow: boolean): PinRefusal | undefined;
  accepted(): void;
  refused(why: PinRefusal): void;
  /** The child died or was killed before C_Login answered. */
  unanswered(): void;
  /** The token's PIN has been changed: the old one is never tried again, the new one is known to be good. */
  changed(before: string, after: string): void;
};

/** PINs that failed or were left unanswered; one more is not tried, as forgetting any would allow it a second try. */
const CAPACITY = 256;

/**
 * A guard that has seen nothing. It remembers each PIN that failed until one is accepted. A PIN whose try went
 * unanswered may have been wrong: it is tried again only if it worked before, or the token's flags do not say that a
 * wrong PIN came last (CKF_USER_PIN_COUNT_LOW).
 */
export const createPinGuard = (capacity = CAPACITY): PinGuard => {
  const failed = new Map<string, PinRefusal>();
  const doubtful = new Set<string>();
  let goodPin: string | undefined;
  let trying: string | undefined;

  const mayTry = (pin: string, countLow: boolean): boolean =>
    pin === goodPin || (doubtful.has(pin) ? !countLow : failed.size + doubtful.size < capacity);

  return {
    refusal: (pin, countLow) => {
      if (trying !== undefined) return "PIN_INCORRECT";
      const why = failed.get(pin);
      if (why !== undefined) return why;
      if (!mayTry(pin, countLow)) return "PIN_INCORRECT";
      trying = pin;
      return undefined;
    },
    accepted: () => {
      goodPin = trying;
      failed.clear();
      doubtful.clear();
      trying = undefined;
    },
    refused: (why) => {
      if (trying !== undefined) {
        doubtful.delete(trying);
        failed.set(trying, why);
      }
      if (goodPin === trying) goodPin = undefined;
      trying = undefined;
    },
    changed: (before, after) => {
      failed.delete(after);
      doubtful.delete(after);
      failed.set(before, "PIN_INCORRECT");
      goodPin = after;
    },
    unanswered: () => {
      if (trying !== undefined) doubtful.add(trying);
      trying = undefined;
    },
  };
};
