// SPDX-License-Identifier: Apache-2.0
// Computes the delay until the next sync, shortened by a jitter from the object's uid so that syncs don't come all at once
// after a restart.

/** FNV-1a, 32 bits: small, stable, and even enough to spread uids. */
const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
};

/**
 * Seconds until the next sync: between 80 % and 100 % of `interval` (seconds), the same for one uid at every call.
 * Objects with one interval drift apart from the first round on and none waits longer than it asked to.
 */
export const resyncAfter = (uid: string, interval: number): number =>
  Math.max(1, Math.round(interval * (0.8 + (0.2 * fnv1a(uid)) / 2 ** 32)));
