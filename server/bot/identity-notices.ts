// SPDX-License-Identifier: Apache-2.0
// Tells a change of a user's identity in the room where that user speaks next, once.

import type { Clock } from "../time.ts";
import type { Chat, IdentityChange, Message } from "./chat.ts";
import { transactionOf } from "./outbox.ts";

export type IdentityNotices = {
  /** Keeps a change until its user says something. */
  changed(change: IdentityChange): void;
  /** To be called for each message of a user in a room, obeyed or not. Whether the room is told now. */
  heard(message: Pick<Message, "room" | "sender">): boolean;
  close(): void;
};

export type IdentityNoticesOptions = {
  readonly chat: Pick<Chat, "send">;
  readonly clock: Clock;
  /** Called when the room has been told. */
  readonly acknowledge: (change: IdentityChange) => void;
};

const RETRY_MS = 10_000;
/** Five minutes; a room that takes nothing any more must not be asked for ever. */
const RETRIES = 30;

const textOf = ({ user, isObeyed }: IdentityChange): string => {
  const so = isObeyed
    ? "I go on obeying you."
    : "I don't obey you until my operator accepts it (TRUSTED_IDENTITIES; the log has the key).";
  return `⚠️ The identity of ${user} has changed since I first saw it. If it wasn't you who reset it, somebody else may be using the account: tell your homeserver's administrator. ${so}`;
};

export const createIdentityNotices = (options: IdentityNoticesOptions): IdentityNotices => {
  const { chat, clock, acknowledge } = options;
  const waiting = new Map<string, IdentityChange>();
  const timers = new Set<() => void>();
  let closed = false;

  const tell = (change: IdentityChange, room: string, retries = RETRIES): void => {
    chat.send(room, textOf(change), transactionOf(`${change.id} ${room}`, "identity")).then(
      () => {
        if (!closed) acknowledge(change);
      },
      () => {
        if (closed) return;
        if (retries === 0) {
          // Where the user speaks next, unless there is a newer change to tell.
          if (!waiting.has(change.user)) waiting.set(change.user, change);
          return;
        }
        const cancel = clock.after(RETRY_MS, () => {
          timers.delete(cancel);
          tell(change, room, retries - 1);
        });
        timers.add(cancel);
      },
    );
  };

  return {
    changed: (change) => void waiting.set(change.user, change),
    heard({ room, sender }) {
      const change = waiting.get(sender);
      if (change === undefined) return false;
      waiting.delete(sender);
      tell(change, room);
      return true;
    },
    close() {
      closed = true;
      for (const cancel of timers) cancel();
    },
  };
};
