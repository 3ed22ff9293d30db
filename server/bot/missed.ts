// SPDX-License-Identifier: Apache-2.0
// Tells a room, once, how many commands were not run because they came too late or were too many.
import type { Chat } from "./chat.ts";
import type { Clock } from "./clock.ts";
import type { Journal } from "./journal.ts";
import type { Sending } from "./sending.ts";

/** Gathers what is missed within it into one notice. */
const GATHER_MS = 1_000;
const NOTICE_FOR_MS = 3_600_000;

const missedText = (count: number): string =>
  count === 1
    ? "1 command was not run: it came while I was away, or behind too many others. Send it again if you still want it."
    : `${count} commands were not run: they came while I was away, or were too many at once. Send again what you still want.`;

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
  let busy = false;
  let closed = false;
  const send = async (): Promise<void> => {
    busy = true;
    const sent = journal.notices(missedText).map(async ({ room, text, transaction }) => {
      const what = { part: "notice", room, forMs: NOTICE_FOR_MS } as const;
      await sending.attempt(what, () => chat.send(room, text, transaction));
      if (!sending.stopped) journal.noticeSent(room);
    });
    const some = sent.length > 0;
    await Promise.all(sent);
    busy = false;
    // What was missed meanwhile waited for these.
    if (some) gather();
  };
  const gather = () => {
    if (cancel !== undefined || busy || closed) return;
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
