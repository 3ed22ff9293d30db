// SPDX-License-Identifier: Apache-2.0
// Defines the inputs of an HSMDevice hook beside the request: the time.

export interface HookContext {
  /** The time, as RFC 3339. */
  readonly now: string;
}
