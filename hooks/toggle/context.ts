// SPDX-License-Identifier: Apache-2.0
// What beside the request decides what a Toggle hook answers.

export interface HookContext {
  /** The time, as RFC 3339. */
  readonly now: string;
  /** Whether this installation lets a Toggle make pods of its spec.template. */
  readonly templates: boolean;
}
