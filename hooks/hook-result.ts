// SPDX-License-Identifier: Apache-2.0
// Defines a hook's result: the response to Metacontroller, and the events and outcome that the webhook reports.

/** An event on the parent; the shell posts it, at best effort. `message` holds no value of a Secret. */
export interface HookEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

export interface HookResult<Response, Outcome extends string> {
  readonly response: Response;
  readonly events: readonly HookEvent[];
  /** In one word, for logs and metrics. */
  readonly outcome: Outcome;
}
