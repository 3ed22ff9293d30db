// SPDX-License-Identifier: Apache-2.0
// Measures how long loads of the token take, and paces the next ones so that loading has a tenth of the time at most.

const LOAD_SHARE = 10;

/** How long to wait after a load of `ms` before the next that nobody asks for. */
export const pauseAfter = (ms: number): number => LOAD_SHARE * ms;

/** In milliseconds. A load is a start of a child, which also takes what starting a process takes, or a refresh in place. */
export class LoadTimes {
  #lastMs = 0;
  #inPlaceMs = 0;
  #ended = Number.NEGATIVE_INFINITY;

  get lastMs(): number {
    return this.#lastMs;
  }

  /** What is served was loaded, at `now`, after `ms`. */
  loaded(ms: number, now: number): void {
    this.#lastMs = ms;
    this.#ended = now;
  }

  /** A refresh in place took `ms`. */
  tookInPlace(ms: number): void {
    this.#inPlaceMs = ms;
  }

  /** What the next load will take, as far as is known; `isLive`: it will be one in place. */
  nextMs(isLive: boolean): number {
    return isLive ? this.#inPlaceMs : this.#lastMs;
  }

  /** When the next refresh in place may come whose caller could ask without end, put off for `longestMs` at most. */
  nextSpaced(longestMs: number): number {
    return this.#ended + Math.min(pauseAfter(this.#inPlaceMs), longestMs);
  }
}
