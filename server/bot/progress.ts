// SPDX-License-Identifier: Apache-2.0
// Edits the answer to a switch as its Toggle changes, until nothing more will happen.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import { type Clock, createTimers } from "../time.ts";
import type { Answer, Chat } from "./chat.ts";
import type { Following, Journal } from "./journal.ts";
import type { Sending } from "./outbox.ts";
import { transactionOf } from "./outbox.ts";
import { isSettled, overdueText, stateText } from "./state-text.ts";

const MINUTE_MS = 60_000;
/**
 * How long an answer is kept up to date at most: longer than the ten minutes after which a Deployment's controller says that it
 * gets no further (spec.progressDeadlineSeconds).
 */
export const FOLLOWED_MS = 12 * MINUTE_MS;
const BETWEEN_EDITS_MS = 1_000;
/** A change that the watch did not tell is seen after this long. */
const LOOK_MS = 5_000;
/** An edit that fails this long is given up; the next state gets one of its own. */
const EDIT_FOR_MS = 60_000;

type Followed = {
  /** Id of the message that was answered. */
  readonly id: string;
  readonly answer: Answer;
  readonly following: Following;
  /** Edits that may have been sent before; the next one has the number after it. */
  readonly edits: number;
  /** The text that the answer has, where that is known. */
  readonly shown?: string;
  /** Whether the user may still see the Toggle. */
  mayUse(toggle: Toggle): boolean;
};

export type Progress = {
  follow(followed: Followed): void;
  /** A state that is newer than the watch's: what a patch answered. */
  seen(toggle: Toggle): void;
  /** Stops; what is followed stays in the journal. */
  close(): void;
};

export type ProgressOptions = {
  readonly toggles: Pick<Toggles, "find" | "state" | "subscribe">;
  readonly clock: Clock;
  readonly chat: Pick<Chat, "edit">;
  readonly sending: Sending;
  readonly journal: Pick<Journal, "step">;
  /** Takes work under way, which may fail. */
  track(work: Promise<void>): void;
};

/** The text that an answer should have, and whether it is the last one. */
type Sight = { readonly text: string; readonly last: boolean };

type Follower = {
  readonly followed: Followed;
  edits: number;
  shown: string | undefined;
  next: Sight | undefined;
  /** An edit is being sent, or waits for its second. */
  busy: boolean;
  editedAt: number;
};

/** What there is to say of `toggle`, which is followed; undefined where what is known is older than the switch. */
const sightOf = (
  { following }: Followed,
  toggle: Toggle | undefined,
  { current, now }: { current: boolean; now: number },
): Sight | undefined => {
  const over = now >= following.endsAt;
  const name = following.toggle;
  if (toggle === undefined) {
    if (current) return { text: `${name} was deleted.`, last: true };
    return over
      ? { text: `I don't know what became of ${name}; see status ${name}.`, last: true }
      : undefined;
  }
  const { generation = 0 } = toggle.metadata;
  const text = stateText(toggle, now);
  if (generation > following.generation) return { text: `Changed again since. ${text}`, last: true };
  if (generation === following.generation && isSettled(toggle, now)) return { text, last: true };
  if (over) {
    const minutes = Math.floor((now - following.endsAt + FOLLOWED_MS) / MINUTE_MS);
    return { text: overdueText(toggle, now, minutes), last: true };
  }
  return generation < following.generation ? undefined : { text, last: false };
};

/** Edits answers: each at most once a second, to what is newest then. */
const createEditing = (
  { clock, chat, sending, journal, track }: ProgressOptions,
  {
    later,
    isClosed,
    onDone,
  }: {
    later(ms: number, action: () => void): void;
    isClosed(): boolean;
    /** The last word on it was said. */
    onDone(id: string): void;
  },
) => {
  const finish = ({ followed, edits }: Follower) => {
    const { id, answer, following } = followed;
    onDone(id);
    journal.step(id, { state: "done", shown: { id: answer.id, toggle: following.toggle }, edits });
  };

  const edit = async (follower: Follower, { text, last }: Sight) => {
    const { id, answer, following } = follower.followed;
    if (text !== follower.shown) {
      // Counted first: after a kill the same number must not carry another text, which the server would drop.
      follower.edits += 1;
      const { edits } = follower;
      journal.step(id, { state: "answered", answer: answer.id, following, edits });
      const transaction = transactionOf(id, `edit-${edits}`);
      const what = { part: "edit", room: answer.room, forMs: EDIT_FOR_MS } as const;
      await sending.attempt(what, () => chat.edit(answer, text, transaction));
      if (sending.stopped || isClosed()) return;
      follower.shown = text;
      follower.editedAt = clock.now();
    }
    follower.busy = false;
    if (last) finish(follower);
    else pump(follower);
  };

  const pump = (follower: Follower) => {
    if (follower.busy || follower.next === undefined) return;
    if (follower.next.text === follower.shown && !follower.next.last) return;
    follower.busy = true;
    const run = () => {
      const { next } = follower;
      follower.next = undefined;
      if (next !== undefined) track(edit(follower, next));
    };
    const wait = follower.editedAt + BETWEEN_EDITS_MS - clock.now();
    if (wait <= 0) run();
    else later(wait, run);
  };

  return { finish, pump };
};

export const createProgress = (options: ProgressOptions): Progress => {
  const { toggles, clock, track } = options;
  const followers = new Map<string, Follower>();
  const timers = createTimers(clock);
  let closed = false;

  /** A store that can't be written must not end the watch, or the process. */
  const guarded = (work: () => void) => track((async () => work())());

  const later = (ms: number, action: () => void) =>
    timers.after(ms, () => {
      if (!closed) guarded(action);
    });

  const { finish, pump } = createEditing(options, {
    later,
    isClosed: () => closed,
    onDone: (id) => followers.delete(id),
  });

  const look = (follower: Follower, toggle: Toggle | undefined) => {
    if (toggle !== undefined && !follower.followed.mayUse(toggle)) {
      if (!follower.busy) finish(follower);
      return;
    }
    // After the last word there is none.
    if (follower.next?.last === true) return;
    const sight = sightOf(follower.followed, toggle, { current: toggles.state().ok, now: clock.now() });
    if (sight === undefined) return;
    follower.next = sight;
    pump(follower);
  };

  const lookAll = () => {
    for (const follower of [...followers.values()]) {
      look(follower, toggles.find(follower.followed.following.toggle));
    }
    if (followers.size > 0) later(LOOK_MS, lookAll);
  };

  const lookAt = (name: string, toggle: Toggle | undefined) => {
    for (const follower of [...followers.values()]) {
      if (follower.followed.following.toggle === name) look(follower, toggle);
    }
  };

  const unsubscribe = toggles.subscribe(({ name, toggle }) => guarded(() => lookAt(name, toggle)));
  return {
    follow(followed) {
      const { id, following, edits, shown } = followed;
      const follower = { followed, edits, shown, next: undefined, busy: false, editedAt: -Infinity };
      followers.set(id, follower);
      if (followers.size === 1) later(LOOK_MS, lookAll);
      const toggle = toggles.find(following.toggle);
      // Right after a start the memory may be empty: only a watch that is up says "deleted".
      if (toggle !== undefined || toggles.state().ok) look(follower, toggle);
    },
    seen: (toggle) => lookAt(toggle.metadata.name, toggle),
    close() {
      closed = true;
      unsubscribe();
      timers.clear();
    },
  };
};
