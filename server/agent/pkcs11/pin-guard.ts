// SPDX-License-Identifier: Apache-2.0
// Guards the token's PIN tries across all children of this agent: allows or refuses to compare a PIN by its state, known by its
// HMAC alone. docs/hsm-setup.md draws the states.
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

const UNTRIED: PinState = { kind: "untried" };

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

/** How many PINs that are not the one in use may be named to the agent: each that is refused narrows down the right one. */
const MAX_MISMATCHES = 3;
/** After this long as many may be named again. */
const MISMATCHES_LAST_MS = 3_600_000;

/** A PIN, and the token that it is for, as HMACs. */
export type PinOfToken = { token: string; pin: string };

/** PINs whose state is known; one more is not tried, as forgetting any would allow it a second try. */
const CAPACITY = 256;

type KnownPin = PinOfToken & { state: PinState };

/** How often a PIN was named that is not the one in use. */
class Mismatches {
  readonly #now: () => number;
  #count = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(): void {
    this.#count += 1;
    this.#last = this.#now();
  }

  clear(): void {
    this.#count = 0;
  }

  /** For how many more seconds none may be named; 0 where one may. */
  waitSeconds(): number {
    const left = this.#last + MISMATCHES_LAST_MS - this.#now();
    if (left <= 0) this.clear();
    return this.#count < MAX_MISMATCHES ? 0 : Math.ceil(left / 1000);
  }
}

const keyOf = ({ token, pin }: PinOfToken): string => `${token} ${pin}`;

const wasGood = ({ state }: KnownPin): boolean => state.kind === "trying" && state.before.kind === "good";

/**
 * A guard that has seen nothing. It remembers each PIN that was tried until the same token accepts one, which has set the
 * token's own count back.
 */
export class PinGuard {
  readonly #capacity: number;
  readonly #known = new Map<string, KnownPin>();
  readonly #mismatches: Mismatches;
  #trying: KnownPin | undefined;

  constructor(capacity = CAPACITY, now = () => performance.now()) {
    this.#capacity = capacity;
    this.#mismatches = new Mismatches(now);
  }

  /** Why a child may not have the token compare the PIN, or undefined where it may. Then `ended` must follow. */
  begin({ token, pin }: PinOfToken, flags: LoginFlags): PinRefusal | undefined {
    const key = keyOf({ token, pin });
    const state = this.#known.get(key)?.state ?? UNTRIED;
    const refusal = this.#trying === undefined ? whyNotTried(state, flags) : "busy";
    if (refusal !== undefined) return refusal;
    if (!this.#known.has(key) && this.#known.size >= this.#capacity) return "too-many";
    this.#trying = { token, pin, state: nextPinState(state, "try") };
    this.#known.set(key, this.#trying);
    return undefined;
  }

  /**
   * How the try ended; `unclear` where the child died or was killed in it. `replacedBy`: the token has another PIN now,
   * which is known to be good.
   */
  ended(outcome: LoginOutcome, replacedBy?: string): void {
    const tried = this.#trying;
    this.#trying = undefined;
    if (tried === undefined) return;
    // A log-in with the PIN that was good before proves nothing: the agent makes one at each load.
    if (outcome === "accepted" && (!wasGood(tried) || replacedBy !== undefined)) this.#mismatches.clear();
    tried.state = nextPinState(tried.state, outcome);
    if (outcome === "accepted") this.#accept({ token: tried.token, pin: replacedBy ?? tried.pin });
    this.#settle(tried, replacedBy !== undefined && replacedBy !== tried.pin);
  }

  /** Somebody has asked the agent for something that needs the token. */
  requested(): void {
    for (const entry of this.#known.values()) entry.state = nextPinState(entry.state, "request");
  }

  /** For how many more seconds no PIN is compared with the one in use; 0 where one may be. */
  comparesAfterSeconds(): number {
    return this.#mismatches.waitSeconds();
  }

  /** A PIN was named that is not the one in use. */
  mismatched(): void {
    this.#mismatches.add();
  }

  /** The token has accepted the PIN: what was held against others is settled. */
  #accept(accepted: PinOfToken): void {
    for (const [key, { token }] of this.#known) if (token === accepted.token) this.#known.delete(key);
    this.#known.set(keyOf(accepted), { ...accepted, state: { kind: "good" } });
  }

  /** What is kept of a PIN that was tried: that it is no longer the token's, or nothing where it was not compared. */
  #settle(tried: KnownPin, isReplaced: boolean): void {
    const { token, pin, state } = tried;
    if (isReplaced) this.#known.set(keyOf(tried), { token, pin, state: { kind: "refused" } });
    else if (state.kind === "untried") this.#known.delete(keyOf(tried));
  }
}

/** The tries of one child, one at a time. */
export class LoginTry {
  readonly #guard: Pick<PinGuard, "begin" | "ended">;
  #underWay: PromiseWithResolvers<void> | undefined;

  constructor(guard: Pick<PinGuard, "begin" | "ended">) {
    this.#guard = guard;
  }

  /** Why the PIN may not be tried. Where it may, undefined, and `end` must follow. */
  begin(pin: PinOfToken, flags: LoginFlags): PinRefusal | undefined {
    const refusal = this.#guard.begin(pin, flags);
    if (refusal === undefined) this.#underWay = Promise.withResolvers<void>();
    return refusal;
  }

  /** Nothing, where no PIN is being tried. */
  end(outcome: LoginOutcome, replacedBy?: string): void {
    if (this.#underWay === undefined) return;
    this.#guard.ended(outcome, replacedBy);
    this.#underWay.resolve();
    this.#underWay = undefined;
  }

  /** Resolves at once, or when the try has ended. */
  settled(): Promise<void> {
    return this.#underWay?.promise ?? Promise.resolve();
  }
}
