// SPDX-License-Identifier: Apache-2.0
// Guards the token's PIN tries across all children of this agent: allows or refuses to compare a PIN by its state, known by its
// HMAC alone.
import type { LoginFlags, LoginOutcome, PinRefusal } from "../messages.ts";
import { nextPinState, type PinState, UNTRIED, whyNotTried } from "../pin-state.ts";

/** How many PINs that are not the one in use may be named to the agent: each that is refused narrows down the right one. */
const MAX_MISMATCHES = 3;
/** After this long as many may be named again. */
const MISMATCHES_LAST_MS = 3_600_000;

/** A PIN, and the token that it is for, as HMACs. */
export type PinOfToken = { token: string; pin: string };

export type PinGuard = {
  /** Why a child may not have the token compare the PIN, or undefined where it may. Then `ended` must follow. */
  begin(pin: PinOfToken, flags: LoginFlags): PinRefusal | undefined;
  /**
   * How the try ended; `unclear` where the child died or was killed in it. `replacedBy`: the token has another PIN now,
   * which is known to be good.
   */
  ended(outcome: LoginOutcome, replacedBy?: string): void;
  /** Somebody has asked the agent for something that needs the token. */
  requested(): void;
  /** For how many more seconds no PIN is compared with the one in use; 0 where one may be. */
  comparesAfterSeconds(): number;
  /** A PIN was named that is not the one in use. */
  mismatched(): void;
};

/** PINs whose state is known; one more is not tried, as forgetting any would allow it a second try. */
const CAPACITY = 256;

/**
 * A guard that has seen nothing. It remembers each PIN that was tried until the same token accepts one, which has set the
 * token's own count back.
 */
export const createPinGuard = (capacity = CAPACITY, now = () => performance.now()): PinGuard => {
  const known = new Map<string, PinOfToken & { state: PinState }>();
  let trying: string | undefined;
  let mismatches = 0;
  let lastMismatch = Number.NEGATIVE_INFINITY;
  const keyOf = ({ token, pin }: PinOfToken): string => `${token} ${pin}`;

  /** The token has accepted the PIN: what was held against others is settled. */
  const accept = (accepted: PinOfToken): void => {
    for (const [key, { token }] of known) if (token === accepted.token) known.delete(key);
    known.set(keyOf(accepted), { ...accepted, state: { kind: "good" } });
  };

  return {
    begin: (pin, flags) => {
      const key = keyOf(pin);
      const state = known.get(key)?.state ?? UNTRIED;
      const refusal = trying === undefined ? whyNotTried(state, flags) : "busy";
      if (refusal !== undefined) return refusal;
      if (!known.has(key) && known.size >= capacity) return "too-many";
      known.set(key, { token: pin.token, pin: pin.pin, state: nextPinState(state, "try") });
      trying = key;
      return undefined;
    },
    ended: (outcome, replacedBy) => {
      const tried = known.get(trying ?? "");
      trying = undefined;
      if (tried === undefined) return;
      const { token, pin } = tried;
      const wasGood = tried.state.kind === "trying" && tried.state.before.kind === "good";
      tried.state = nextPinState(tried.state, outcome);
      // A log-in with the PIN that was good before proves nothing: the agent makes one at each load.
      if (outcome === "accepted" && (!wasGood || replacedBy !== undefined)) mismatches = 0;
      if (outcome === "accepted") accept({ token, pin: replacedBy ?? pin });
      const isReplaced = replacedBy !== undefined && replacedBy !== pin;
      if (isReplaced) known.set(keyOf(tried), { token, pin, state: { kind: "refused" } });
      else if (tried.state.kind === "untried") known.delete(keyOf(tried));
    },
    comparesAfterSeconds: () => {
      const left = lastMismatch + MISMATCHES_LAST_MS - now();
      if (left <= 0) mismatches = 0;
      return mismatches < MAX_MISMATCHES ? 0 : Math.ceil(left / 1000);
    },
    mismatched: () => {
      mismatches += 1;
      lastMismatch = now();
    },
    requested: () => {
      for (const entry of known.values()) entry.state = nextPinState(entry.state, "request");
    },
  };
};
