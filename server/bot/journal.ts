// SPDX-License-Identifier: Apache-2.0
// Persists a journal entry for each message and its progress, so that a kill at any point executes no command twice. Entries
// are read back through their schema.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { jsonOf } from "../json.ts";
import { Approval, Approved } from "./approval-record.ts";
import { Command } from "./command.ts";
import { transactionOf } from "./outbox.ts";
import type { BotStore, When } from "./store.ts";

/** The patch of a switch, exactly as it is sent. */
const Patch = Type.Union([
  Type.Object({
    enabled: Type.Boolean(),
    until: Type.Union([Type.String(), Type.Null()]),
    requestedBy: Type.String(),
    reason: Type.String(),
  }),
  Type.Object({ restartAt: Type.String() }),
  Type.Object({ until: Type.String() }),
]);

/** A switch that may have been sent: to this Toggle, while it had this generation. */
export const SentPatch = Type.Object({
  toggle: Type.String(),
  uid: Type.String(),
  generation: Type.Integer(),
  patch: Patch,
});
export type SentPatch = Static<typeof SentPatch>;

/**
 * The Toggle whose progress an answer shows, from its generation after the switch until `endsAt` (ms since the epoch).
 * `unchanged`: it was as it was asked for before, so that it is so again is no news.
 */
export const FollowedToggle = Type.Object({
  toggle: Type.String(),
  generation: Type.Integer(),
  endsAt: Type.Number(),
  unchanged: Type.Optional(Type.Boolean()),
});
export type FollowedToggle = Static<typeof FollowedToggle>;

/** The answer that can be refreshed: of one Toggle, or of all that its reader may see. */
const Shown = Type.Object({ id: Type.String(), toggle: Type.Optional(Type.String()) });

/** One Toggle's part of an answer, and what it follows from then on. */
export const Line = Type.Object({ text: Type.String(), following: Type.Optional(FollowedToggle) });
export type Line = Static<typeof Line>;

/** Since when a command may run, where that is not since it was sent (ms), and who let it. */
const Cleared = {
  confirmedAt: Type.Optional(Type.Number()),
  approved: Type.Optional(Approved),
};

/** Where a message stands. Each step is written before what comes after it is done. */
export const Step = Type.Union([
  /** To be run. `echo` is the text to repeat in the room; `code` that of the approval that it is about to ask for. */
  Type.Object({
    state: Type.Literal("accepted"),
    command: Command,
    echo: Type.Optional(Type.String()),
    code: Type.Optional(Type.String()),
    ...Cleared,
  }),
  /** It waits to be confirmed by a reaction to the event `answer`, or for `approval`, until `endsAt` (ms). */
  Type.Object({
    state: Type.Literal("asking"),
    command: Command,
    answer: Type.String(),
    endsAt: Type.Number(),
    approval: Type.Optional(Approval),
  }),
  /** The patch may have reached the API server. `rest` is to be run after it, `lines` were decided before it. */
  Type.Object({
    state: Type.Literal("begun"),
    begun: SentPatch,
    rest: Type.Optional(Command),
    lines: Type.Optional(Type.Array(Line)),
    ...Cleared,
  }),
  /** It has taken effect or never will; the answer may have been sent. */
  Type.Object({
    state: Type.Literal("decided"),
    lines: Type.Array(Line),
    toggle: Type.Optional(Type.String()),
  }),
  /**
   * The answer was sent and is edited as its Toggles change. `edits` counts those that may have been sent; `said`: the last word
   * was.
   */
  Type.Object({
    state: Type.Literal("answered"),
    answer: Type.String(),
    lines: Type.Array(Line),
    edits: Type.Integer(),
    said: Type.Optional(Type.Boolean()),
  }),
  /** Not run, for being old or one of too many; the room is to be told. `command`: its verb and names, such as `stop web`. */
  Type.Object({ state: Type.Literal("missed"), command: Type.Optional(Type.String()) }),
  /** Nothing is left to do; kept so that a redelivery is known. */
  Type.Object({ state: Type.Literal("done"), shown: Type.Optional(Shown), edits: Type.Integer() }),
]);
export type Step = Static<typeof Step>;

/** The verb of an entry that stands for messages that were not read, however many. */
export const UNREAD = "unread";

export const Entry = Type.Object({
  /** The order in which messages came. */
  sequence: Type.Integer(),
  /** When it came, ms since the epoch. */
  at: Type.Number(),
  room: Type.String(),
  sender: Type.String(),
  /** ms since the epoch, never in the future when it came. */
  sentAt: Type.Number(),
  verb: Type.String(),
  /** The thread that it came in: id of the event that this began with. */
  thread: Type.Optional(Type.String()),
  /** Whether others are in the room, who need not see an echo. */
  shared: Type.Optional(Type.Boolean()),
  /** Whether it came encrypted. */
  encrypted: Type.Optional(Type.Boolean()),
  step: Step,
});
export type Entry = Static<typeof Entry>;

/** One text for a room about messages that were not run, sent under `transaction`. */
export const Notice = Type.Object({ text: Type.String(), transaction: Type.String() });
export type Notice = Static<typeof Notice>;

/** The entry in `bytes`; undefined where there is none that this version knows. */
export const entryOf = (bytes: Uint8Array): Entry | undefined => {
  const value = jsonOf(bytes);
  return Value.Check(Entry, value) ? value : undefined;
};

const noticeOf = (bytes: Uint8Array): Notice | undefined => {
  const value = jsonOf(bytes);
  return Value.Check(Notice, value) ? value : undefined;
};

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

/** Every call is synchronous. A switch that is begun is on the disk then; all else is there before the chat sends anything. */
export type Journal = {
  /** Writes a new message down; undefined where it is known already. */
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
export const openJournal = (options: JournalOptions): Journal => new StoredJournal(options);

const inOrder = (some: readonly Pending[]): Pending[] =>
  some.toSorted((a, b) => a.entry.sequence - b.entry.sequence);

class StoredJournal implements Journal {
  readonly #options: JournalOptions;
  /** Of the newest message. */
  #sequence: number;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#sequence = this.#all().reduce((highest, { entry }) => Math.max(highest, entry.sequence), 0);
  }

  add(id: string, entry: Omit<Entry, "sequence">): Pending | undefined {
    if (this.#options.store.get(AREA, MESSAGE + id) !== undefined) return undefined;
    this.#sequence += 1;
    const added = { ...entry, sequence: this.#sequence };
    // Without the sync position, which is written after it, it comes again.
    this.#write(id, added, "soon");
    return { id, entry: added };
  }

  step(id: string, step: Step): void {
    const entry = this.get(id);
    if (entry !== undefined) this.#write(id, { ...entry, step }, step.state === "begun" ? "now" : "soon");
  }

  get(id: string): Entry | undefined {
    const bytes = this.#options.store.get(AREA, MESSAGE + id);
    return bytes && entryOf(bytes);
  }

  pending(): Pending[] {
    return inOrder(this.#all().filter(({ entry }) => entry.step.state !== "done"));
  }

  answeredBy(answer: string): Pending | undefined {
    return this.#all().find(
      ({ entry: { step } }) =>
        (step.state === "done" && step.shown?.id === answer) ||
        ((step.state === "answered" || step.state === "asking") && step.answer === answer),
    );
  }

  notices(text: (missed: readonly Entry[]) => string): (Notice & { room: string })[] {
    const { store } = this.#options;
    return store.transaction(() => {
      this.#gatherMissed(text);
      return [...store.entries(AREA)].flatMap(([key, bytes]) => {
        const notice = key.startsWith(NOTICE) ? noticeOf(bytes) : undefined;
        return notice === undefined ? [] : [{ ...notice, room: key.slice(NOTICE.length) }];
      });
    });
  }

  noticeSent(room: string): void {
    this.#options.store.delete(AREA, NOTICE + room);
  }

  forget(now: number): void {
    const { store, maxAgeMs } = this.#options;
    store.transaction(() => {
      const done = inOrder(this.#all().filter(({ entry }) => entry.step.state === "done"));
      const surplus = done.length - MOST_KEPT;
      for (const [index, { id, entry }] of done.entries()) {
        const age = now - entry.at;
        // What came with a time in the future was taken as sent then: it could pass as young again for a while.
        if (age > KEPT_MS || (index < surplus && age > 2 * maxAgeMs)) store.delete(AREA, MESSAGE + id);
      }
    });
  }

  /** Turns what was missed in each room into its notice. */
  #gatherMissed(text: (missed: readonly Entry[]) => string): void {
    const { store } = this.#options;
    const allMissed = inOrder(this.#all().filter(({ entry }) => entry.step.state === "missed"));
    for (const [room, missed] of Map.groupBy(allMissed, ({ entry }) => entry.room)) {
      const [first] = missed;
      // A notice under way has to be sent as it is; the next one waits for it.
      if (first === undefined || store.get(AREA, NOTICE + room) !== undefined) continue;
      const notice: Notice = {
        text: text(missed.map(({ entry }) => entry)),
        transaction: transactionOf(first.id, "missed"),
      };
      store.put(AREA, NOTICE + room, JSON.stringify(notice));
      for (const { id } of missed) this.step(id, { state: "done", edits: 0 });
    }
  }

  #all(): Pending[] {
    const { store, onUnreadable } = this.#options;
    return [...store.entries(AREA)].flatMap(([key, bytes]) => {
      if (!key.startsWith(MESSAGE)) return [];
      const entry = entryOf(bytes);
      if (entry === undefined) onUnreadable?.(key);
      return entry === undefined ? [] : [{ id: key.slice(MESSAGE.length), entry }];
    });
  }

  #write(id: string, entry: Entry, when: When): void {
    const { store, isClosed } = this.#options;
    if (isClosed?.()) throw new Error("the journal is closed");
    store.put(AREA, MESSAGE + id, JSON.stringify(entry), when);
  }
}
