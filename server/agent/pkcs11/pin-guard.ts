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
};

/**
 * A guard that has seen nothing. A PIN whose try went unanswered may have been wrong: it is tried again only if it
 * worked before, or the token's flags do not say that a wrong PIN came last (CKF_USER_PIN_COUNT_LOW).
 */
export const createPinGuard = (): PinGuard => {
  let failed: { pin: string; why: PinRefusal } | undefined;
  let goodPin: string | undefined;
  let doubtfulPin: string | undefined;
  let trying: string | undefined;
  return {
    refusal: (pin, countLow) => {
      if (trying !== undefined) return "PIN_INCORRECT";
      if (pin === failed?.pin) return failed.why;
      if (pin === doubtfulPin && pin !== goodPin && countLow) {
        failed = { pin, why: "PIN_INCORRECT" };
        return failed.why;
      }
      trying = pin;
      return undefined;
    },
    accepted: () => {
      goodPin = trying;
      failed = undefined;
      doubtfulPin = undefined;
      trying = undefined;
    },
    refused: (why) => {
      if (trying !== undefined) failed = { pin: trying, why };
      if (goodPin === trying) goodPin = undefined;
      trying = undefined;
    },
    unanswered: () => {
      doubtfulPin = trying;
      trying = undefined;
    },
  };
};
