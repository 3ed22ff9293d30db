// SPDX-License-Identifier: Apache-2.0
// Tells a user that a message could not be read, or is not obeyed as it came; at most once a minute in a room.

import type { Clock } from "../time.ts";
import type { Access } from "./access.ts";
import type { Chat, Message } from "./chat.ts";
import type { Sending } from "./outbox.ts";
import { transactionOf } from "./outbox.ts";

/** A message whose text is unknown, or does not count. */
export type UnreadMessage = Pick<Message, "id" | "room" | "sender" | "sentAt">;

const TEXTS = {
  undecryptable: "I couldn't decrypt your message. Please send it again.",
  "plain-text":
    "This room is encrypted, and your message was not, so I don't act on it: anybody on its way could have written it. Send it encrypted.",
  "identity-changed":
    "I don't act on your message: your identity (cross-signing) is not the one that I know. My operator can accept it with TRUSTED_IDENTITIES; the log has the key.",
  "unsigned-device":
    "I don't act on your message: your identity has not signed the device that you wrote it on. Verify that device in your client, then send it again.",
} as const;

export type NoteAbout = keyof typeof TEXTS;

/** Of further ones, where the first was told a moment ago. */
const moreText = (about: NoteAbout, count: number): string => {
  const messages = count === 1 ? "another message" : `${count} more messages`;
  return about === "undecryptable"
    ? `I couldn't decrypt ${messages} of yours. Please send ${count === 1 ? "it" : "them"} again.`
    : `I didn't act on ${messages} of yours, for the same reason.`;
};

export type ShortNotes = {
  /**
   * Answers `message` unless its sender may not talk, or it is old. Of those that follow within a minute there is one answer,
   * at its end.
   */
  tell(about: NoteAbout, message: UnreadMessage): Promise<void>;
  /** What waits for the end of its minute is not told any more. */
  close(): void;
};

const QUIET_MS = 60_000;
const SEND_FOR_MS = 60_000;

export const createShortNotes = (options: {
  chat: Pick<Chat, "send">;
  clock: Clock;
  access: Pick<Access, "mayTalk">;
  sending: Sending;
  maxAgeMs: number;
  /** Takes work under way, which may fail. */
  track(work: Promise<void>): void;
}): ShortNotes => {
  const { chat, clock, access, sending, maxAgeMs, track } = options;
  /** The minutes after what a sender was told in a room: the messages that it was not told of, and what ends it. */
  const quiet = new Map<string, { untold: UnreadMessage[]; cancel: () => void }>();

  const say = async (about: NoteAbout, { id, room, sender }: UnreadMessage, text: string): Promise<void> => {
    const key = keyOf(about, room, sender);
    const untold: UnreadMessage[] = [];
    const cancel = clock.after(QUIET_MS, () => {
      quiet.delete(key);
      const [first] = untold;
      if (first !== undefined) track(say(about, first, moreText(about, untold.length)));
    });
    quiet.set(key, { untold, cancel });
    await sending.attempt({ part: "notice", room, forMs: SEND_FOR_MS }, () =>
      chat.send(room, text, transactionOf(id, about)),
    );
  };

  return {
    async tell(about, message) {
      const { room, sender, sentAt } = message;
      if (!access.mayTalk(sender) || clock.now() - sentAt > maxAgeMs) return;
      const minute = quiet.get(keyOf(about, room, sender));
      if (minute === undefined) await say(about, message, TEXTS[about]);
      else minute.untold.push(message);
    },
    close() {
      for (const { cancel } of quiet.values()) cancel();
      quiet.clear();
    },
  };
};

const keyOf = (...parts: readonly [about: NoteAbout, room: string, sender: string]): string =>
  JSON.stringify(parts);
