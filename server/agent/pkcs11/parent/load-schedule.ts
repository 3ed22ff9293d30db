// SPDX-License-Identifier: Apache-2.0
// Times what nobody asks for: the next load of the token, paced by how long loads take, and probes of a module that caches.
import type { Clock } from "../../../time.ts";
import type { TokenChild } from "./token-child.ts";

/** One timer for the next thing to do; setting it again replaces the last setting. */
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

/** Loading has a tenth of the time at most. */
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

const PROBE_MS = 1_000;

type TokenProbeOptions = {
  clock: Clock;
  /** Whether the child serves, as long as which it is asked. */
  isServing: (child: TokenChild) => boolean;
  /** Whether a write is under way, which will notice by itself. */
  isWriting: () => boolean;
  /** The child's module shows no token. Resolves when a new child has shown whether there is one. */
  missing: () => Promise<void>;
};

/** Asks whichever child serves for its token from time to time: nothing else would notice before a refresh that it is gone. */
export class TokenProbe {
  readonly #options: TokenProbeOptions;
  readonly #alarm: Alarm;

  constructor(options: TokenProbeOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock);
  }

  /** Watches `child` in place of the one before, if its module caches. */
  watch(child: TokenChild): void {
    this.#alarm.stop();
    if (child.view?.cache === "cached") this.#alarm.set(PROBE_MS, () => void this.#probe(child));
  }

  close(): void {
    this.#alarm.close();
  }

  async #probe(child: TokenChild): Promise<void> {
    const { isServing, isWriting, missing } = this.#options;
    const isMissing = !isWriting() && (await this.#isMissing(child));
    // Another process's load can end this child's session, too. A new child tells whether the token is there: if it is, it takes
    // over, and else it ends this one.
    if (isMissing && isServing(child)) await missing();
    if (isServing(child)) this.watch(child);
  }

  async #isMissing(child: TokenChild): Promise<boolean> {
    const { answer } = await child.call({ type: "probe" });
    return answer.kind === "present" && !answer.present;
  }
}
