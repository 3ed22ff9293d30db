// SPDX-License-Identifier: Apache-2.0
// What a hook comes to: the answer, and what the shell tells of it.
import type { HookEvent } from "./hook-event.ts";

export interface HookResult<Response, Outcome extends string> {
  readonly response: Response;
  readonly events: readonly HookEvent[];
  /** In one word, for logs and metrics. */
  readonly outcome: Outcome;
}
