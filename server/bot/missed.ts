// SPDX-License-Identifier: Apache-2.0
// Tells a room, once, how many commands were not run because they came too late or were too many, or were not read.

import type { Clock } from "../time.ts";
import type { Chat } from "./chat.ts";
import type { Journal } from "./journal.ts";
import { type Entry, type Notice, UNREAD } from "./journal.ts";
import type { Sending } from "./outbox.ts";

/** Gathers what is missed within it into one notice. */
const GATHER_MS = 1_000;
const NOTICE_FOR_MS = 3_600_000;

const UNREAD_TEXT =
  "I can't read all that was written here while I was away. Send again what you still want of me.";

const notRunText = (count: number): string =>
  count === 1
    ? "1 command was not run: it came while I was away, or behind too many others. Send it again if you still want it."
    : `${count} commands were not run: they came while I was away, or were too many at once. Send again what you still want.`;

/** What a room is told of what was missed in it. */
export const missedText = (missed: readonly Pick<Entry, "verb">[]): string => {
  const commands = missed.filter(({ verb }) => verb !== UNREAD).length;
  return [
    ...(commands > 0 ? [notRunText(commands)] : []),
    ...(commands < missed.length ? [UNREAD_TEXT] : []),
  ].join(" ");
};

export type Missed = {
  /** Something was missed, or may have been before a restart. */
  gather(): void;
  close(): void;
};

export const createMissed = (options: {
  chat: Pick<Chat, "send">;
  clock: Clock;
  sending: Sending;
  journal: Pick<Journal, "notices" | "noticeSent">;
  track(work: Promise<void>): void;
}): Missed => {
  const { chat, clock, sending, journal, track } = options;
  let cancel: (() => void) | undefined;
  let closed = false;
  /** Rooms whose notice is being sent; one that takes nothing any more must not hold up the others. */
  const underWay = new Set<string>();
  const sendOne = async ({ room, text, transaction }: Notice & { room: string }): Promise<void> => {
    underWay.add(room);
    const what = { part: "notice", room, forMs: NOTICE_FOR_MS } as const;
    await sending.attempt(what, () => chat.send(room, text, transaction));
    if (!sending.stopped) journal.noticeSent(room);
    underWay.delete(room);
    // What was missed there meanwhile waited for this.
    gather();
  };
  const send = async (): Promise<void> => {
    const notices = journal.notices(missedText).filter(({ room }) => !underWay.has(room));
    await Promise.all(notices.map(sendOne));
  };
  const gather = () => {
    if (cancel !== undefined || closed) return;
    cancel = clock.after(GATHER_MS, () => {
      cancel = undefined;
      if (!closed) track(send());
    });
  };
  return {
    gather,
    close() {
      closed = true;
      cancel?.();
    },
  };
};
