// SPDX-License-Identifier: Apache-2.0
// The journal of commands: each message once, and how far it has come, so that a kill at any point runs none twice.

import { type Entry, entryOf, type Notice, noticeOf, type Step } from "./journal-entry.ts";
import type { BotStore } from "./store.ts";
import { transactionOf } from "./transaction.ts";

const AREA = "commands";
/** Message ids are the homeserver's; the prefix keeps them apart from notices. */
const MESSAGE = "m:";
const NOTICE = "n:";

/** Longer than a homeserver delivers a message again to a bot that confirms each sync. */
const KEPT_MS = 24 * 3_600_000;
/** Of the messages that are done; older ones are forgotten sooner where there are more. */
const MOST_KEPT = 5_000;

export type JournalOptions = {
  readonly store: BotStore;
  /** Messages older than this are never run, so a forgotten one that is older can't run again. Milliseconds. */
  readonly maxAgeMs: number;
  /** Whether the store may be closed: nothing is written any more then, and trying to is an error. */
  readonly isClosed?: () => boolean;
  /** Told the key of an entry that can't be read; it is left out. */
  readonly onUnreadable?: (key: string) => void;
};

/** A message that is not done. */
export type Pending = { readonly id: string; readonly entry: Entry };

/** Every call is synchronous, and has reached the disk when it returns unless it is part of a larger transaction. */
export type Journal = {
  /** Writes a new message down; undefined where it is known already. It reaches the disk with the next write. */
  add(id: string, entry: Omit<Entry, "sequence">): Pending | undefined;
  /**
   * The next step of a known message.
   * @throws Error when the journal is closed: what has to be written first must then not be done.
   */
  step(id: string, step: Step): void;
  get(id: string): Entry | undefined;
  /** All that are not done, in the order in which they came. */
  pending(): Pending[];
  /** The message whose answer has the event id `answer`. */
  answeredBy(answer: string): Pending | undefined;
  /** Turns what was missed in a room into one notice, made by `text` of it; with the notices not sent yet. */
  notices(text: (missed: readonly Entry[]) => string): (Notice & { room: string })[];
  noticeSent(room: string): void;
  /** Drops what is long done. `now`: ms since the epoch. */
  forget(now: number): void;
};

/** Reads what is in the store at once; nobody else may write to its area. */
export const openJournal = (options: JournalOptions): Journal => {
  const { store, maxAgeMs, isClosed = () => false, onUnreadable = () => {} } = options;
  const read = (): Pending[] =>
    [...store.entries(AREA)].flatMap(([key, bytes]) => {
      if (!key.startsWith(MESSAGE)) return [];
      const entry = entryOf(bytes);
      if (entry === undefined) onUnreadable(key);
      return entry === undefined ? [] : [{ id: key.slice(MESSAGE.length), entry }];
    });
  const write = (id: string, entry: Entry, when: "now" | "soon" = "now") => {
    if (isClosed()) throw new Error("the journal is closed");
    store.put(AREA, MESSAGE + id, JSON.stringify(entry), when);
  };
  const get = (id: string): Entry | undefined => {
    const bytes = store.get(AREA, MESSAGE + id);
    return bytes && entryOf(bytes);
  };
  const inOrder = (some: readonly Pending[]): Pending[] =>
    some.toSorted((a, b) => a.entry.sequence - b.entry.sequence);
  let sequence = read().reduce((highest, { entry }) => Math.max(highest, entry.sequence), 0);
  const step = (id: string, next: Step) => {
    const entry = get(id);
    if (entry !== undefined) write(id, { ...entry, step: next });
  };
  return {
    add(id, entry) {
      if (store.get(AREA, MESSAGE + id) !== undefined) return undefined;
      sequence += 1;
      const added = { ...entry, sequence };
      // Whatever is done about it writes a step first, and so does the sync position: without either it comes again.
      write(id, added, "soon");
      return { id, entry: added };
    },
    step,
    get,
    pending: () => inOrder(read().filter(({ entry }) => entry.step.state !== "done")),
    answeredBy: (answer) =>
      read().find(
        ({ entry: { step } }) =>
          (step.state === "done" && step.shown?.id === answer) ||
          (step.state === "answered" && step.answer === answer),
      ),
    notices: (text) =>
      store.transaction(() => {
        const rooms = new Map<string, Pending[]>();
        for (const one of inOrder(read().filter(({ entry }) => entry.step.state === "missed"))) {
          rooms.set(one.entry.room, [...(rooms.get(one.entry.room) ?? []), one]);
        }
        for (const [room, missed] of rooms) {
          const [first] = missed;
          // A notice under way has to be sent as it is; the next one waits for it.
          if (first === undefined || store.get(AREA, NOTICE + room) !== undefined) continue;
          const notice: Notice = {
            text: text(missed.map(({ entry }) => entry)),
            transaction: transactionOf(first.id, "missed"),
          };
          store.put(AREA, NOTICE + room, JSON.stringify(notice));
          for (const { id } of missed) step(id, { state: "done", edits: 0 });
        }
        return [...store.entries(AREA)].flatMap(([key, bytes]) => {
          const notice = key.startsWith(NOTICE) ? noticeOf(bytes) : undefined;
          return notice === undefined ? [] : [{ ...notice, room: key.slice(NOTICE.length) }];
        });
      }),
    noticeSent: (room) => store.delete(AREA, NOTICE + room),
    forget: (now) =>
      store.transaction(() => {
        const done = inOrder(read().filter(({ entry }) => entry.step.state === "done"));
        const surplus = done.length - MOST_KEPT;
        for (const [index, { id, entry }] of done.entries()) {
          const age = now - entry.at;
          // What came with a time in the future was taken as sent then: it could pass as young again for a while.
          if (age > KEPT_MS || (index < surplus && age > 2 * maxAgeMs)) store.delete(AREA, MESSAGE + id);
        }
      }),
  };
};
