// SPDX-License-Identifier: Apache-2.0
// The time that one command has at the API server: short failures are bridged, a hanging server holds up nobody.

import type { ToggleResult, Toggles } from "../kubernetes/toggles.ts";
import { type Clock, sleep } from "../time.ts";

/** A switch that comes later than this would surprise whoever asked for it. */
const DEADLINE_MS = 5_000;
const FIRST_PAUSE_MS = 200;

const UNAVAILABLE: ToggleResult = { ok: false, why: "unavailable" };

export type ApiDeadline = {
  /** `call`, or "unavailable" when the time is over. What was sent may take effect nevertheless. */
  inTime(call: Promise<ToggleResult>): Promise<ToggleResult>;
  /** Waits, longer each time; false at once where the time would be over. */
  pause(): Promise<boolean>;
};

/** The deadline of a command that begins now. */
export const startDeadline = (clock: Clock): ApiDeadline => {
  const end = clock.now() + DEADLINE_MS;
  let wait = FIRST_PAUSE_MS;
  return {
    inTime: (call) =>
      new Promise((resolve, reject) => {
        const cancel = clock.after(Math.max(0, end - clock.now()), () => resolve(UNAVAILABLE));
        call.finally(cancel).then(resolve, reject);
      }),
    async pause() {
      if (clock.now() + wait >= end) return false;
      await sleep(clock, wait);
      wait *= 2;
      return true;
    },
  };
};

/** `get` that bridges short failures. */
export const patientGet =
  (toggles: Pick<Toggles, "get">, clock: Clock): Toggles["get"] =>
  async (name) => {
    const deadline = startDeadline(clock);
    for (;;) {
      const result = await deadline.inTime(toggles.get(name));
      if (result.ok || result.why !== "unavailable" || !(await deadline.pause())) return result;
    }
  };
