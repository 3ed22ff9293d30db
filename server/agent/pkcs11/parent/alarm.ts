// SPDX-License-Identifier: Apache-2.0
// Keeps one timer for the next thing to do; setting it again replaces the last setting.
import type { Clock } from "../../../time.ts";

export class Alarm {
  readonly #clock: Clock;
  #isClosed = false;
  #stop = (): void => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `action` after `ms`, in place of what was set before. */
  set(ms: number, action: () => void): void {
    this.stop();
    if (!this.#isClosed) this.#stop = this.#clock.after(ms, action);
  }

  stop(): void {
    this.#stop();
  }

  /** Stops it for good. */
  close(): void {
    this.#isClosed = true;
    this.stop();
  }
}
