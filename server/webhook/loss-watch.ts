// SPDX-License-Identifier: Apache-2.0
// Measures by a monotonic clock for how long this process knows of a lost primary: the times of a status are those of any node's clock.

/** Which loss: of the HSMDevice with this uid, as its status names it. */
type Loss = { readonly uid: string; readonly since: string | undefined };

export class LossWatch {
  readonly #known = new Map<string, { readonly since: string; readonly atMs: number }>();

  /** Seconds since this process first knew of the loss, `nowMs` being monotonic; undefined: the status has none. */
  seconds({ uid, since }: Loss, nowMs: number): number | undefined {
    if (since === undefined) {
      this.#known.delete(uid);
      return undefined;
    }
    const known = this.#known.get(uid);
    const { atMs } = known?.since === since ? known : { atMs: nowMs };
    this.#known.set(uid, { since, atMs });
    return (nowMs - atMs) / 1000;
  }

  /** Forgets what is known of an HSMDevice. */
  forget(uid: string): void {
    this.#known.delete(uid);
  }
}
