// SPDX-License-Identifier: Apache-2.0
// Defines the inputs of an HSMDevice hook beside the request: the time, and what the webhook can do.

export interface HookContext {
  /** The time, as RFC 3339. */
  readonly now: string;
  /** Whether the webhook has a token to give agents their roles with; true, if not given. */
  readonly givesRoles?: boolean;
  /**
   * For how many seconds the webhook has known, by a clock that nobody sets, of the status' unreachableSince. Absent: the difference to
   * `now` counts, which is that of the clocks of two nodes where two webhooks answer by turns.
   */
  readonly lostSeconds?: number;
}
