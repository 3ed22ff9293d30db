// SPDX-License-Identifier: Apache-2.0
// Defines the inputs of a Toggle hook beside the request: the time, whether templates are allowed, and how long a start may take.

export interface HookContext {
  /** The time, as RFC 3339. */
  readonly now: string;
  /** Whether this installation lets a Toggle make pods of its spec.template. */
  readonly templates: boolean;
  /** Seconds without progress after which a start is Degraded; 0: never. */
  readonly startTimeoutSeconds: number;
}
