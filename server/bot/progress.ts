// SPDX-License-Identifier: Apache-2.0
// Edits the answer to a switch while its Toggle changes, until it has settled.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import { type Clock, createTimers } from "../time.ts";
import type { Answer, Chat, Thread } from "./chat.ts";
import type { Journal, Line } from "./journal.ts";
import { sayLastWord } from "./last-word.ts";
import type { Sending } from "./outbox.ts";
import { settledText, transactionOf } from "./outbox.ts";
import { type Known, namesIn, type Sight, sightOfLines } from "./sight.ts";

const BETWEEN_EDITS_MS = 1_000;
/** A change that the watch did not tell is seen after this long. */
const LOOK_MS = 5_000;
/** An edit that fails this long is given up; the next state gets one of its own. */
const EDIT_FOR_MS = 60_000;

type Followed = {
  /** Id of the message that was answered. */
  readonly id: string;
  readonly answer: Answer;
  /** What it says of each Toggle, and follows from then on. */
  readonly lines: readonly Line[];
  /** Edits that may have been sent before; the next one has the number after it. */
  readonly edits: number;
  /** Whether the last word may have been said before. */
  readonly said: boolean;
  /** Who asked, and is told the last word, in the thread where that was. */
  readonly user: string;
  readonly thread?: Thread;
  /** The text that the answer has, where that is known. */
  readonly shown?: string;
  /** Whether the user may still see the Toggle. */
  mayUse(toggle: Toggle): boolean;
};

export type Progress = {
  follow(followed: Followed): void;
  /** What an answer should say now; undefined where what is known is older than its switches, or nothing is followed. */
  textOf(lines: readonly Line[]): string | undefined;
  /** A state that is newer than the watch's: what a patch answered. */
  seen(toggle: Toggle): void;
  /** Stops; what is followed stays in the journal. */
  close(): void;
};

export type ProgressOptions = {
  readonly toggles: Pick<Toggles, "find" | "state" | "subscribe">;
  readonly clock: Clock;
  readonly chat: Pick<Chat, "edit" | "tell">;
  readonly sending: Sending;
  readonly journal: Pick<Journal, "step">;
  /** Takes work under way, which may fail. */
  track(work: Promise<void>): void;
};

type Follower = {
  readonly followed: Followed;
  edits: number;
  said: boolean;
  shown: string | undefined;
  /** The newest, until it was sent. */
  next: Sight | undefined;
  /** The one that an edit was last sent with. */
  sent: Sight | undefined;
  /** An edit is being sent, or waits for its second, or for a limit of the homeserver. */
  busy: boolean;
  editedAt: number;
};

/** Edits answers: each at most once a second, to what is newest then. */
class Editing {
  readonly #options: ProgressOptions;
  readonly #work: GuardedTimers;
  /** Told the id of a message when the last word on it was said. */
  readonly #onDone: (id: string) => void;

  constructor(options: ProgressOptions, work: GuardedTimers, onDone: (id: string) => void) {
    this.#options = options;
    this.#work = work;
    this.#onDone = onDone;
  }

  /** Edits the answer to its next text, as soon as the one before is a second old. */
  pump(follower: Follower): void {
    if (follower.busy || follower.next === undefined) return;
    if (follower.next.text === follower.shown && !follower.next.last) return;
    follower.busy = true;
    const run = () => this.#options.track(this.#edit(follower));
    const wait = follower.editedAt + BETWEEN_EDITS_MS - this.#options.clock.now();
    if (wait <= 0) run();
    else this.#work.later(wait, run);
  }

  finish({ followed, edits }: Follower): void {
    const { id, answer, lines } = followed;
    this.#onDone(id);
    const [toggle, ...others] = namesIn(lines);
    const shown = { id: answer.id, ...(toggle !== undefined && others.length === 0 && { toggle }) };
    this.#options.journal.step(id, { state: "done", shown, edits });
  }

  async #edit(follower: Follower): Promise<void> {
    if (!(await this.#sayLastWord(follower))) return;
    if (follower.next?.text === follower.shown) follower.sent = follower.next;
    else if (!(await this.#send(follower))) return;
    const { next, sent, said, edits } = follower;
    follower.busy = false;
    // What has changed meanwhile is not said any more once the last word is. Where it became the last one only while the edit
    // waited for its turn, it is still to be said.
    const isOver = sent?.last === true;
    if (isOver && (said || edits === 0 || sent.news === undefined)) return this.finish(follower);
    if (next === sent && !isOver) follower.next = undefined;
    this.pump(follower);
  }

  /** The last word, where that is to be said now. False: nothing more is to be sent. */
  async #sayLastWord(follower: Follower): Promise<boolean> {
    const { followed, edits, shown, said } = follower;
    const { id, answer, user, thread } = followed;
    const news = () => (follower.next?.last === true ? follower.next.news : undefined);
    // Where the answer said it at once, it has been told.
    const isTold = edits === 0 && follower.next?.text === shown;
    if (said || isTold || news() === undefined) return true;
    const to = { id, room: answer.room, user, ...(thread !== undefined && { thread }) };
    const outcome = await sayLastWord(this.#options, to, news);
    if (outcome === "stopped" || this.#work.closed) return false;
    if (outcome === "none") return true;
    follower.said = true;
    if (this.#options.sending.isRefused(answer.room)) {
      this.finish(follower);
      return false;
    }
    this.#note(follower);
    return true;
  }

  /** Writes down what was sent, or may be next. */
  #note({ followed, edits, said }: Follower): void {
    const { id, answer, lines } = followed;
    this.#options.journal.step(id, {
      ...{ state: "answered", answer: answer.id, lines: [...lines], edits },
      ...(said && { said }),
    });
  }

  /** False: nothing more is to be sent. */
  async #send(follower: Follower): Promise<boolean> {
    const { clock, chat, sending } = this.#options;
    const { id, answer } = follower.followed;
    // Counted first: after a kill the same number must not carry another text, which the server would drop.
    follower.edits += 1;
    this.#note(follower);
    const transaction = transactionOf(id, `edit-${follower.edits}`);
    const what = { part: "edit", room: answer.room, forMs: EDIT_FOR_MS } as const;
    const settled = settledText(() => {
      follower.sent = follower.next;
      return follower.next?.text;
    });
    const edit = {
      // What it has become again meanwhile needs no edit.
      text: () => (settled.text() === follower.shown ? undefined : settled.last),
      isLast: () => follower.next?.last === true,
    };
    await sending.attempt(what, () => settled.attempt(() => chat.edit(answer, edit, transaction)));
    if (sending.stopped || this.#work.closed) return false;
    if (sending.isRefused(answer.room)) {
      this.finish(follower);
      return false;
    }
    follower.shown = settled.last;
    follower.editedAt = clock.now();
    return true;
  }
}

/** Work that may fail, at once or later: a store that can't be written must not end the watch, or the process. */
class GuardedTimers {
  readonly #track: ProgressOptions["track"];
  readonly #timers: ReturnType<typeof createTimers>;
  closed = false;

  constructor({ track, clock }: ProgressOptions) {
    this.#track = track;
    this.#timers = createTimers(clock);
  }

  now(work: () => void): void {
    this.#track((async () => work())());
  }

  later(ms: number, work: () => void): void {
    this.#timers.after(ms, () => {
      if (!this.closed) this.now(work);
    });
  }

  close(): void {
    this.closed = true;
    this.#timers.clear();
  }
}

export const createProgress = (options: ProgressOptions): Progress => new FollowedAnswers(options);

class FollowedAnswers implements Progress {
  readonly #options: ProgressOptions;
  readonly #followers = new Map<string, Follower>();
  readonly #work: GuardedTimers;
  readonly #editing: Editing;
  readonly #unsubscribe: () => void;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#work = new GuardedTimers(options);
    this.#editing = new Editing(options, this.#work, (id) => this.#followers.delete(id));
    this.#unsubscribe = options.toggles.subscribe(({ name, toggle }) =>
      this.#work.now(() => this.#lookAt(name, toggle)),
    );
  }

  follow(followed: Followed): void {
    const { toggles } = this.#options;
    const { id, lines, edits, said, shown } = followed;
    const follower = {
      ...{ followed, edits, said, shown, next: undefined, sent: undefined },
      ...{ busy: false, editedAt: -Infinity },
    };
    this.#followers.set(id, follower);
    if (this.#followers.size === 1) this.#work.later(LOOK_MS, () => this.#lookAll());
    // Right after a start the memory may be empty: only a watch that is up says "deleted".
    const isKnown = namesIn(lines).some((name) => toggles.find(name) !== undefined);
    if (isKnown || toggles.state().ok) this.#look(follower);
  }

  textOf(lines: readonly Line[]): string | undefined {
    return sightOfLines(lines, this.#options)?.text;
  }

  seen(toggle: Toggle): void {
    this.#lookAt(toggle.metadata.name, toggle);
  }

  close(): void {
    this.#unsubscribe();
    this.#work.close();
  }

  #lookAll(): void {
    for (const follower of [...this.#followers.values()]) this.#look(follower);
    if (this.#followers.size > 0) this.#work.later(LOOK_MS, () => this.#lookAll());
  }

  #lookAt(name: string, toggle: Toggle | undefined): void {
    for (const follower of [...this.#followers.values()]) {
      if (namesIn(follower.followed.lines).includes(name)) this.#look(follower, { name, toggle });
    }
  }

  #look(follower: Follower, known?: Known): void {
    const { followed, busy } = follower;
    if (!this.#mayUse(followed, known)) {
      if (!busy) this.#editing.finish(follower);
      return;
    }
    const sight = sightOfLines(followed.lines, this.#options, known);
    if (sight === undefined) return;
    follower.next = sight;
    this.#editing.pump(follower);
  }

  #mayUse({ lines, mayUse }: Followed, known?: Known): boolean {
    return namesIn(lines).every((name) => {
      const toggle = known?.name === name ? known.toggle : this.#options.toggles.find(name);
      return toggle === undefined || mayUse(toggle);
    });
  }
}
