// SPDX-License-Identifier: Apache-2.0
// Tells a user that a message could not be read, or is not obeyed as it came; at most once a minute in a room.

import type { Clock } from "../clock.ts";
import type { Access } from "./access.ts";
import type { Chat, Message } from "./chat.ts";
import type { Sending } from "./sending.ts";
import { transactionOf } from "./transaction.ts";

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

export type ShortNotes = {
  /** Answers `message` unless its sender may not talk, it is old, or was told so within the last minute. */
  tell(about: NoteAbout, message: UnreadMessage): Promise<void>;
};

const QUIET_MS = 60_000;
const SEND_FOR_MS = 60_000;

export const createShortNotes = (options: {
  chat: Pick<Chat, "send">;
  clock: Clock;
  access: Pick<Access, "mayTalk">;
  sending: Sending;
  maxAgeMs: number;
}): ShortNotes => {
  const { chat, clock, access, sending, maxAgeMs } = options;
  /** When a sender was last told what, in a room. */
  const told = new Map<string, number>();
  return {
    async tell(about, { id, room, sender, sentAt }) {
      const now = clock.now();
      if (!access.mayTalk(sender) || now - sentAt > maxAgeMs) return;
      for (const [key, at] of told) if (now - at >= QUIET_MS) told.delete(key);
      const key = JSON.stringify([about, room, sender]);
      if (told.has(key)) return;
      told.set(key, now);
      await sending.attempt({ part: "notice", room, forMs: SEND_FOR_MS }, () =>
        chat.send(room, TEXTS[about], transactionOf(id, about)),
      );
    },
  };
};
