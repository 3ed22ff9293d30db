// SPDX-License-Identifier: Apache-2.0
// Repeats a request to the homeserver that may succeed later, a few times.
import { createBackoff, type Sleep } from "../time.ts";
import type { MatrixAnswer } from "./http.ts";
import { isTransient, retryAfterOf } from "./request-failed.ts";

/** What can't be done after these is left; the next start finds it again. */
const MAX_RETRIES = 8;

/** The last answer; undefined when `signal` has ended it. */
export const persist = async (
  { sleep, signal }: { readonly sleep: Sleep; readonly signal: AbortSignal },
  send: () => Promise<MatrixAnswer>,
): Promise<MatrixAnswer | undefined> => {
  const backoff = createBackoff(MAX_RETRIES);
  while (!signal.aborted) {
    const answer = await send();
    if (answer.ok || !isTransient(answer)) return answer;
    const delay = backoff.failed(retryAfterOf(answer));
    if (delay === undefined) return answer;
    await sleep(delay, signal);
  }
  return undefined;
};
