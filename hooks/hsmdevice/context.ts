// SPDX-License-Identifier: Apache-2.0
// Defines the inputs of an HSMDevice hook beside the request: the time, and what the webhook can do.

export interface HookContext {
  /** The time, as RFC 3339. */
  readonly now: string;
  /** Whether the webhook has a token to give agents their roles with; true, if not given. */
  readonly givesRoles?: boolean;
}
