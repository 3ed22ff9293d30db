// SPDX-License-Identifier: Apache-2.0
// Sends notices to rooms: commands that were missed, messages that could not be read or are refused, and users whose identity
// has changed.
import { type Clock, createTimers } from "../time.ts";
import type { Access } from "./access.ts";
import { type Chat, type IdentityChange, type Message, SendRefused, type UnreadMessage } from "./chat.ts";
import { type Entry, type Journal, type Notice, UNREAD } from "./journal.ts";
import { type Sending, transactionOf } from "./outbox.ts";

/** Gathers what is missed within it into one notice. */
const GATHER_MS = 1_000;
const NOTICE_FOR_MS = 3_600_000;

const UNREAD_TEXT =
  "I can't read all that was written here while I was away. Send again what you still want of me.";

/** Commands beyond these are counted. */
const MAX_CITED = 5;

type Missed = Pick<Entry, "verb" | "sender" | "shared" | "step">;

/** `“stop web” of @alice:example.org`; in a direct room there is but one who can have sent it. */
const citedText = ({ verb, sender, shared, step }: Missed): string => {
  const command = step.state === "missed" ? step.command : undefined;
  return `“${command ?? verb}”${shared === true ? ` of ${sender}` : ""}`;
};

const notRunText = (commands: readonly Missed[]): string => {
  const cited = commands.slice(0, MAX_CITED).map(citedText);
  const rest = commands.length - cited.length;
  const which = `${cited.join(", ")}${rest === 0 ? "" : ` and ${rest} more`}`;
  return commands.length === 1
    ? `1 command was not run: ${which}. It came while I was away, or behind too many others. Send it again if you still want it.`
    : `${commands.length} commands were not run: ${which}. They came while I was away, or were too many at once. Send again what you still want.`;
};

/** What a room is told of what was missed in it. */
export const missedText = (missed: readonly Missed[]): string => {
  const commands = missed.filter(({ verb }) => verb !== UNREAD);
  return [
    ...(commands.length > 0 ? [notRunText(commands)] : []),
    ...(commands.length < missed.length ? [UNREAD_TEXT] : []),
  ].join(" ");
};

/** Tells a room, once, how many commands were not run because they came too late or were too many, or were not read. */
export type MissedCommandNotices = {
  /** Something was missed, or may have been before a restart. */
  gather(): void;
  close(): void;
};

export const createMissedCommandNotices = (options: {
  chat: Pick<Chat, "send">;
  clock: Clock;
  sending: Sending;
  journal: Pick<Journal, "notices" | "noticeSent">;
  track(work: Promise<void>): void;
}): MissedCommandNotices => {
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

const NOTES = {
  undecryptable: "I couldn't decrypt your message. Please send it again.",
  "plain-text":
    "This room is encrypted, and your message was not, so I don't act on it: anybody on its way could have written it. Send it encrypted.",
  "identity-changed":
    "I don't act on your message: your identity (cross-signing) is not the one that I know. If you have reset it, ask whoever runs this bot to accept the new one.",
  "unsigned-device":
    "I don't act on your message: your identity has not signed the device that you wrote it on. Verify that device in your client, then send it again.",
} as const;

type NoteAbout = keyof typeof NOTES;

/** Of further ones, where the first was told a moment ago. */
const moreText = (about: NoteAbout, count: number): string => {
  const messages = count === 1 ? "another message" : `${count} more messages`;
  return about === "undecryptable"
    ? `I couldn't decrypt ${messages} of yours. Please send ${count === 1 ? "it" : "them"} again.`
    : `I didn't act on ${messages} of yours, for the same reason.`;
};

/** Tells a user that a message could not be read, or is not obeyed as it came; at most once a minute in a room. */
export type RateLimitedNotices = {
  /**
   * Answers `message` unless its sender may not talk, or it is old. Of those that follow within a minute there is one answer,
   * at its end.
   */
  tell(about: NoteAbout, message: UnreadMessage): Promise<void>;
  /** What waits for the end of its minute is not told any more. */
  close(): void;
};

const QUIET_MS = 60_000;
const NOTE_FOR_MS = 60_000;

const keyOf = (...parts: readonly [about: NoteAbout, room: string, sender: string]): string =>
  JSON.stringify(parts);

export const createRateLimitedNotices = (options: {
  chat: Pick<Chat, "send">;
  clock: Clock;
  access: Pick<Access, "mayTalk">;
  sending: Sending;
  maxAgeMs: number;
  /** Takes work under way, which may fail. */
  track(work: Promise<void>): void;
}): RateLimitedNotices => {
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
    await sending.attempt({ part: "notice", room, forMs: NOTE_FOR_MS }, () =>
      chat.send(room, text, transactionOf(id, about)),
    );
  };

  return {
    async tell(about, message) {
      const { room, sender, sentAt } = message;
      if (!access.mayTalk(sender) || clock.now() - sentAt > maxAgeMs) return;
      const minute = quiet.get(keyOf(about, room, sender));
      if (minute === undefined) await say(about, message, NOTES[about]);
      else minute.untold.push(message);
    },
    close() {
      for (const { cancel } of quiet.values()) cancel();
      quiet.clear();
    },
  };
};

/** Tells a change of a user's identity in the room where that user speaks next, once. */
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

const IDENTITY_RETRY_MS = 10_000;
/** Five minutes; a room that takes nothing any more must not be asked for ever. */
const IDENTITY_RETRIES = 30;

const identityText = ({ user, isObeyed }: IdentityChange): string => {
  const so = isObeyed
    ? "I go on obeying you."
    : "I don't obey you until whoever runs this bot has accepted the new one.";
  return `⚠️ The identity of ${user} has changed since I first saw it. If it wasn't you who reset it, somebody else may be using the account: tell your homeserver's administrator. ${so}`;
};

export const createIdentityNotices = (options: IdentityNoticesOptions): IdentityNotices => {
  const { chat, clock, acknowledge } = options;
  const waiting = new Map<string, IdentityChange>();
  const timers = createTimers(clock);
  let closed = false;

  const tell = (change: IdentityChange, room: string, retries = IDENTITY_RETRIES): void => {
    chat.send(room, identityText(change), transactionOf(`${change.id} ${room}`, "identity")).then(
      () => {
        if (!closed) acknowledge(change);
      },
      (error: unknown) => {
        if (closed) return;
        if (retries === 0 || error instanceof SendRefused) {
          // Where the user speaks next, unless there is a newer change to tell.
          if (!waiting.has(change.user)) waiting.set(change.user, change);
          return;
        }
        timers.after(IDENTITY_RETRY_MS, () => tell(change, room, retries - 1));
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
      timers.clear();
    },
  };
};
