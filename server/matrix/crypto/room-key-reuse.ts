// SPDX-License-Identifier: Apache-2.0
// Knows when the next message of a room needs no look at who has its key: nothing that it depends on has changed since the last look.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { jsonOf } from "../../json.ts";
import type { EncryptionSettings, Id } from "./olm-machine.ts";
import type { UnusedKeys } from "./unused-keys.ts";

/** Who may read a room's messages, and for how long one key is used. */
export type Sharing = {
  /** The members and the settings, as a text that differs where they do. */
  readonly terms: string;
  /** Milliseconds. */
  readonly period: number;
  readonly messages: number;
};

export type RoomKeyReuse = {
  /** Devices, or the sessions with them, may be others now. */
  changed(): void;
  /** Whether the machine follows the devices of `users`, once it was told to. */
  isTracked(users: string): boolean;
  tracked(users: string): void;
  /** Whether there are sessions with all devices of `users`. */
  hasSessions(users: string): boolean;
  /** The machine was asked, and there are; `asked`: what `look` gave before. */
  foundSessions(users: string, asked: Look): void;
  /** Whether all have the key of the next message, and it is not too old for one more. */
  allows(room: string, sharing: Sharing): boolean;
  /** To be called before the machine is asked. */
  look(): Look;
  /** The machine has looked who lacks the key, and wants `requests` sent to them. */
  shared(room: string, sharing: Sharing, asked: Look, requests: number): void;
  /** A message was encrypted: `content` is what goes to the room, JSON. */
  used(room: string, content: string): void;
  /** A message could not be encrypted, and may have used the key nevertheless. */
  failed(room: string): void;
};

type Look = { readonly epoch: number; readonly at: number };

type RoomKey = {
  sharing?: Sharing;
  /** The last look, where all had the key already. */
  complete?: Look;
  /** The first look since the last message, and whether there was anything to send. */
  first?: number;
  hasSent: boolean;
  session?: string;
  /** No key that is used is older. Milliseconds since the epoch; undefined where it is another process's. */
  bornAt?: number;
  /** Messages that were encrypted with it. */
  count: number;
};

/** The machine looks again after this, whatever was seen meanwhile. */
const VALID_MS = 60_000;
/** The crypto crate counts whole seconds, and panics on a key that is too old: no key is used so near its end. */
const MARGIN_MS = 60_000;
/** The crate's own bound. */
const MOST_MESSAGES = 10_000;

/** When a key was made of which only that is known: it is too old for all rooms. */
const LONG_AGO = Number.NEGATIVE_INFINITY;

const hasLimitsOf = (one: Sharing, other: Sharing): boolean =>
  one.period === other.period && one.messages === other.messages;

/** Rooms, mostly, each a list of its members. */
const MOST_TRACKED = 1_000;

const Encrypted = Type.Object({ session_id: Type.String(), ciphertext: Type.String() });

/**
 * The index of a message: after the version comes the field 1, a number of up to five bytes with seven bits each.
 * https://gitlab.matrix.org/matrix-org/olm/-/blob/master/docs/megolm.md#message-format
 */
export const messageIndex = (ciphertext: string): number | undefined => {
  const [version, tag, ...bytes] = Buffer.from(ciphertext.slice(0, 12), "base64");
  if (version !== 3 || tag !== 0x08) return undefined;
  const last = bytes.findIndex((byte) => byte < 0x80);
  if (last < 0) return undefined;
  return bytes.slice(0, last + 1).reduceRight((sum, byte) => sum * 128 + (byte & 0x7f), 0);
};

/** What `sharing` is of members and settings as matrix-bot-sdk gives them: the period in milliseconds. */
export const sharingOf = (users: string, settings: EncryptionSettings): Sharing => {
  const { algorithm, rotationPeriod, rotationPeriodMessages, historyVisibility } = settings;
  const terms = [users, algorithm, rotationPeriod, rotationPeriodMessages, historyVisibility].join(" ");
  // The room says both. The machine takes microseconds, and of both what 64 bits hold.
  const period = Number(BigInt.asUintN(64, rotationPeriod * 1000n)) / 1000;
  return { terms, period, messages: Number(BigInt.asUintN(64, rotationPeriodMessages)) };
};

/** A text for the same users in whatever order. */
export const usersText = (users: readonly Id[]): string => users.map(String).toSorted().join(" ");

/** `now`: milliseconds since the epoch, by the clock that the machine has as well. */
export const createRoomKeyReuse = (now: () => number, unused: UnusedKeys): RoomKeyReuse =>
  new KnownKeys(now, unused);

class KnownKeys implements RoomKeyReuse {
  readonly #now: () => number;
  readonly #unused: UnusedKeys;
  readonly #rooms = new Map<string, RoomKey>();
  #epoch = 0;
  /** By users: the last look that found nothing missing. */
  #sessions = new Map<string, Look>();

  readonly #tracked = new Set<string>();

  constructor(now: () => number, unused: UnusedKeys) {
    this.#now = now;
    this.#unused = unused;
  }

  changed(): void {
    this.#epoch += 1;
    this.#tracked.clear();
    this.#sessions.clear();
  }

  look(): Look {
    return { epoch: this.#epoch, at: this.#now() };
  }

  isTracked(users: string): boolean {
    return this.#tracked.has(users);
  }

  tracked(users: string): void {
    if (this.#tracked.size >= MOST_TRACKED) this.#tracked.clear();
    this.#tracked.add(users);
  }

  hasSessions(users: string): boolean {
    return this.#isValid(this.#sessions.get(users));
  }

  foundSessions(users: string, asked: Look): void {
    this.#sessions.set(users, asked);
  }

  allows(room: string, { terms, period, messages }: Sharing): boolean {
    const key = this.#rooms.get(room);
    if (key?.bornAt === undefined || key.sharing?.terms !== terms) return false;
    if (!this.#isValid(key.complete)) return false;
    const age = this.#now() - key.bornAt;
    return age < period - MARGIN_MS && key.count < Math.min(messages, MOST_MESSAGES);
  }

  shared(room: string, sharing: Sharing, asked: Look, requests: number): void {
    const key = this.#keyOf(room);
    // The machine goes by the limits that a key was made with, whatever the room says later.
    if (key.sharing !== undefined && !hasLimitsOf(key.sharing, sharing)) {
      delete key.bornAt;
      if (key.first !== undefined) key.first = LONG_AGO;
    }
    key.sharing = sharing;
    key.first ??= asked.at;
    if (requests > 0 && !key.hasSent) {
      key.hasSent = true;
      const { period, messages } = sharing;
      this.#unused.put(room, { since: Number.isFinite(key.first) ? key.first : null, period, messages });
    }
    // What is to be sent may not arrive: it is looked at again.
    if (requests > 0) delete key.complete;
    else key.complete = asked;
  }

  used(room: string, content: string): void {
    const key = this.#keyOf(room);
    const encrypted = jsonOf(Buffer.from(content));
    const index = Value.Check(Encrypted, encrypted) ? messageIndex(encrypted.ciphertext) : undefined;
    if (!Value.Check(Encrypted, encrypted) || index === undefined) {
      this.failed(room);
      return;
    }
    if (key.session !== encrypted.session_id) {
      key.session = encrypted.session_id;
      delete key.bornAt;
      // One that was never used, and sent to people since the last message, was made at the first look after that.
      if (index === 0 && key.hasSent && key.first !== undefined) key.bornAt = key.first;
    }
    key.count = index + 1;
    if (key.hasSent) this.#unused.put(room, undefined);
    key.hasSent = false;
    delete key.first;
  }

  failed(room: string): void {
    this.#rooms.set(room, { hasSent: false, count: 0, first: LONG_AGO });
  }

  #isValid(look: Look | undefined): boolean {
    if (look?.epoch !== this.#epoch) return false;
    const age = this.#now() - look.at;
    return age >= 0 && age < VALID_MS;
  }

  #keyOf(room: string): RoomKey {
    const known = this.#rooms.get(room) ?? this.#keyFromBefore(room);
    this.#rooms.set(room, known);
    return known;
  }

  #keyFromBefore(room: string): RoomKey {
    const unused = this.#unused.get(room);
    if (unused === undefined) return { hasSent: false, count: 0 };
    const { since, ...limits } = unused;
    return { hasSent: false, count: 0, first: since ?? LONG_AGO, sharing: { terms: "", ...limits } };
  }
}
