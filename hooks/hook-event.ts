// SPDX-License-Identifier: Apache-2.0
// Defines a Kubernetes event that a hook asks the webhook to post.

/** An event on the parent; the shell posts it, at best effort. `message` holds no value of a Secret. */
export interface HookEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}
