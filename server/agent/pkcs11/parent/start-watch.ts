// SPDX-License-Identifier: Apache-2.0
// Watches a starting child process: its stage, and whether it has been there for too long.
import type { Clock } from "../../../time.ts";
import type { Stage } from "../messages.ts";
import type { StallLimits } from "./stall-limits.ts";

const NEXT_STAGE: Readonly<Record<Stage, Stage>> = {
  boot: "attach",
  attach: "login",
  login: "load",
  load: "load",
};

export type StartWatchOptions = {
  clock: Clock;
  limits: StallLimits;
  /** The child has been at this stage for longer than its limit. */
  stuck: (stage: Stage) => void;
};

/** The watch, which begins at once. It tells `limits` how long each stage took. */
export class StartWatch {
  readonly #options: StartWatchOptions;
  #stage: Stage = "boot";
  #since: number;
  #stop: () => void;

  constructor(options: StartWatchOptions) {
    this.#options = options;
    this.#since = options.clock.now();
    this.#stop = this.#watch();
  }

  /** The child has the stage, or a part of loading, behind it. */
  passed(stage: Stage): void {
    this.#completed();
    this.#stage = NEXT_STAGE[stage];
    this.#since = this.#options.clock.now();
    this.#stop = this.#watch();
  }

  /** The child serves: the last stage is behind it. */
  ready(): void {
    this.#completed();
  }

  stop(): void {
    this.#stop();
  }

  #completed(): void {
    const { clock, limits } = this.#options;
    limits.completed(this.#stage, clock.now() - this.#since);
    this.stop();
  }

  #watch(): () => void {
    const { clock, limits, stuck } = this.#options;
    return clock.after(limits.limit(this.#stage), () => {
      limits.stalled(this.#stage);
      stuck(this.#stage);
    });
  }
}
