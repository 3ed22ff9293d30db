// SPDX-License-Identifier: Apache-2.0
// Remembers whose devices the crypto machine follows and has sessions with, until something happens that may change it.
import type { Id } from "./olm-machine.ts";

/** The machine looks again after this, whatever was seen meanwhile. */
const VALID_MS = 60_000;
/** Rooms, mostly, each a list of its members. */
const MOST_REMEMBERED = 1_000;

type Look = { readonly epoch: number; readonly at: number };

/** A text for the same users in whatever order. */
const textOf = (users: readonly Id[]): string => users.map(String).toSorted().join(" ");

/**
 * matrix-bot-sdk asks for both before each message, for all members of its room. Who lacks the room's key, and when the next key is
 * due, is left to the machine at each message.
 */
export class KnownSessions {
  readonly #now: () => number;
  #epoch = 0;
  readonly #followed = new Set<string>();
  /** By users: the last look that found nothing missing. */
  readonly #complete = new Map<string, Look>();

  /** `now`: milliseconds, monotonic. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Devices, or the sessions with them, may be others now. */
  changed(): void {
    this.#epoch += 1;
    this.#followed.clear();
    this.#complete.clear();
  }

  /** Has the machine follow the devices of `users` by `follow`, unless it does already. */
  async following(users: readonly Id[], follow: () => Promise<void>): Promise<void> {
    const text = textOf(users);
    if (this.#followed.has(text)) return;
    const { epoch } = this.#look();
    await follow();
    if (epoch !== this.#epoch) return;
    if (this.#followed.size >= MOST_REMEMBERED) this.#followed.clear();
    this.#followed.add(text);
  }

  /** What `ask` answers about missing sessions with devices of `users`; null where none was missing and none can be now. */
  async missing<T>(users: readonly Id[], ask: () => Promise<T | null>): Promise<T | null> {
    const text = textOf(users);
    if (this.#isValid(this.#complete.get(text))) return null;
    const asked = this.#look();
    const missing = await ask();
    if (missing !== null) return missing;
    if (this.#complete.size >= MOST_REMEMBERED) this.#complete.clear();
    this.#complete.set(text, asked);
    return null;
  }

  #look(): Look {
    return { epoch: this.#epoch, at: this.#now() };
  }

  #isValid(look: Look | undefined): boolean {
    return look?.epoch === this.#epoch && this.#now() - look.at < VALID_MS;
  }
}
