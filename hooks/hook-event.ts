// SPDX-License-Identifier: Apache-2.0
// A Kubernetes event that a hook has to tell.

/** An event on the parent; the shell posts it, at best effort. `message` holds no value of a Secret. */
export interface HookEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}
