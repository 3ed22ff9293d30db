// SPDX-License-Identifier: Apache-2.0
// Tracks the PIN that a child process is trying at the moment, and reports the outcome to the PIN guard.
import type { LoginFlags, LoginOutcome, PinRefusal } from "../messages.ts";
import type { PinGuard, PinOfToken } from "./pin-guard.ts";

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
