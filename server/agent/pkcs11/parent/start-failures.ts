// SPDX-License-Identifier: Apache-2.0
// Starts of a child that failed in a row: what the last one showed, and how long to wait before the next.
import type { Clock } from "../../../time.ts";
import type { Unavailable } from "../../store.ts";

/** The longest that a call waits before a start is tried again. */
const CALL_BACKOFF_MS = 1_000;
/** The longest that an agent nobody calls waits before it looks for its token again. */
const IDLE_BACKOFF_MS = 30_000;

/** Failures since the last start that succeeded. */
export class StartFailures {
  readonly #clock: Pick<Clock, "now">;
  #last: { began: number; reason: Unavailable } | undefined;
  #count = 0;
  #notBefore = 0;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** A start that began at `began` failed. */
  add(began: number, reason: Unavailable): void {
    this.#last = { began, reason };
    this.#count += 1;
    this.#notBefore = this.#clock.now() + Math.min(CALL_BACKOFF_MS, 25 * 2 ** Math.min(this.#count, 10));
  }

  /** A start succeeded. */
  clear(): void {
    this.#last = undefined;
    this.#count = 0;
  }

  /** Why the last start failed, if that began at `since` or later. */
  reasonSince(since: number): Unavailable | undefined {
    return this.#last !== undefined && this.#last.began >= since ? this.#last.reason : undefined;
  }

  /** Milliseconds until a start may be tried for a call. */
  waitMs(): number {
    return Math.max(0, this.#notBefore - this.#clock.now());
  }

  /** Milliseconds until a start is tried where nobody calls. */
  idleMs(): number {
    return Math.min(IDLE_BACKOFF_MS, 500 * 2 ** Math.min(this.#count, 10));
  }
}
