// SPDX-License-Identifier: Apache-2.0
// Asks a module that caches for its token from time to time: nothing else would notice before a refresh that it is gone.
import type { Clock } from "../../../time.ts";
import { Alarm } from "./alarm.ts";
import type { TokenChild } from "./token-child.ts";

const PROBE_MS = 1_000;

export type TokenProbeOptions = {
  clock: Clock;
  /** Whether the child serves, as long as which it is asked. */
  isServing: (child: TokenChild) => boolean;
  /** Whether a write is under way, which will notice by itself. */
  isWriting: () => boolean;
  /** The child's module shows no token. Resolves when a new child has shown whether there is one. */
  missing: () => Promise<void>;
};

/** The probe of whichever child serves. */
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
