// SPDX-License-Identifier: Apache-2.0
// Defines a hook's result: the response to Metacontroller, and the events and outcome that the webhook reports.
import type { HookEvent } from "./hook-event.ts";

export interface HookResult<Response, Outcome extends string> {
  readonly response: Response;
  readonly events: readonly HookEvent[];
  /** In one word, for logs and metrics. */
  readonly outcome: Outcome;
}
