// SPDX-License-Identifier: Apache-2.0
// Implements the state machine of one PIN, which decides whether the token may be asked to compare it. docs/hsm-setup.md draws
// the states.
import type { LoginFlags, LoginOutcome, PinRefusal } from "./messages.ts";

/**
 * How many tries of one PIN may end without a word about the PIN. Some tokens answer a wrong PIN so, and never set their
 * flags (ePass2003): of the three tries that they give, one is left.
 */
export const MAX_UNCLEAR_TRIES = 2;

/** What is known of one PIN on one token, while it is not tried. */
type RestingPin =
  | { kind: "untried" }
  | { kind: "good" }
  /** `tries` of it ended without a word about it. `asked`: somebody has asked for something since. */
  | { kind: "unclear"; tries: number; asked: boolean; wasGood: boolean }
  | { kind: "spent" }
  | { kind: "refused" }
  | { kind: "locked" };

/** The same at any time. */
export type PinState = RestingPin | { kind: "trying"; before: RestingPin };

/** What changes a state: a try begins, ends, or somebody asks the agent for something. */
export type PinEvent = "try" | "request" | LoginOutcome;

export const UNTRIED: PinState = { kind: "untried" };

const afterUnclear = (before: RestingPin): RestingPin => {
  const tries = before.kind === "unclear" ? before.tries + 1 : 1;
  if (tries >= MAX_UNCLEAR_TRIES) return { kind: "spent" };
  const wasGood = before.kind === "good" || (before.kind === "unclear" && before.wasGood);
  return { kind: "unclear", tries, asked: false, wasGood };
};

const afterTry = (before: RestingPin, outcome: LoginOutcome): RestingPin => {
  switch (outcome) {
    case "accepted":
      return { kind: "good" };
    case "incorrect":
      return { kind: "refused" };
    case "locked":
      return { kind: "locked" };
    case "not-compared":
      return before;
    case "unclear":
      return afterUnclear(before);
  }
};

/** The state after an event. One that can't happen in a state leaves it as it is. */
export const nextPinState = (state: PinState, event: PinEvent): PinState => {
  if (state.kind === "trying") {
    return event === "try" || event === "request" ? state : afterTry(state.before, event);
  }
  if (event === "try") return { kind: "trying", before: state };
  return event === "request" && state.kind === "unclear" ? { ...state, asked: true } : state;
};

/** Why a PIN in this state may not be tried on a token with these flags; undefined where it may. */
export const whyNotTried = (state: PinState, flags: LoginFlags): PinRefusal | undefined => {
  if (flags.locked) return "locked";
  if (flags.finalTry) return "last-try";
  switch (state.kind) {
    case "untried":
    case "good":
      return undefined;
    case "unclear":
      // A wrong PIN came last: this one, unless it was good before and another program's was wrong.
      if (flags.countLow && !state.wasGood) return "spent";
      return state.asked ? undefined : "unasked";
    case "spent":
      return "spent";
    case "refused":
      return "incorrect";
    case "locked":
      return "locked";
    case "trying":
      return "busy";
  }
};
