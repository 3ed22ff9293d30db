// SPDX-License-Identifier: Apache-2.0
// Polls until a condition holds that another process brings about, with a deadline.
import { setTimeout as sleep } from "node:timers/promises";

/** Long enough for a machine under load, and short beside the time limit of a test file. */
const LIMIT_SECONDS = 60;

/**
 * Calls `check`, each `paceMs`, until it answers with something else than undefined or false, and answers with that.
 * @throws Error naming `what` and the last `seen`, when `seconds` are over
 */
export const eventually = async <T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  {
    seconds = LIMIT_SECONDS,
    paceMs = 50,
    seen = () => "",
  }: { seconds?: number; paceMs?: number; seen?: () => string } = {},
): Promise<T> => {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const result = await check();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${seconds} s. ${seen()}`.trim());
    await sleep(paceMs);
  }
};
