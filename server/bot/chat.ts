// SPDX-License-Identifier: Apache-2.0
// Defines the interface between the bot and a chat: incoming messages, answers, and connecting. Matrix implements it; the
// prompt of `npm start` does too, for answers alone.
import type { Logger } from "pino";
import type { Sleep } from "../time.ts";
import type { BotConfig } from "./config.ts";
import type { BotStore } from "./store.ts";

/** What joining a chat needs of the bot's configuration. */
export type ChatConfig = Pick<BotConfig, "matrix" | "crypto" | "allowedUsers" | "trust">;

/**
 * What vouches for the sender of an event. `plain`: the homeserver alone, in a room that is not encrypted. `proven`: a device
 * that is signed by the user's identity, the one that was pinned or accepted. `unproven`: nothing, in an encrypted room.
 */
export type Authorship = "plain" | "proven" | "unproven";

/** A text message that somebody wrote; edits, notices and the bot's own messages never become one. */
export type Message = {
  /** Unique and the same each time the message is delivered: Matrix's event id. */
  readonly id: string;
  /** Id of the room, such as `!abc:example.org`. */
  readonly room: string;
  /** Full user id, such as `@alice:example.org`. */
  readonly sender: string;
  readonly text: string;
  /** Milliseconds since the epoch, by the homeserver's clock. */
  readonly sentAt: number;
  readonly authorship: Authorship;
  readonly context: MessageContext;
};

/** Where a message stands, and whom it names. */
export type MessageContext = {
  /** Nobody but its sender and the bot is in the room. */
  readonly direct: boolean;
  /** What the bot is called in the room: its full id first, then its name within the id, and the one that is shown. */
  readonly names: readonly string[];
  /** Whether the message mentions the bot: a pill in most clients. */
  readonly mentioned: boolean;
  /** Id of the event that it replies to. */
  readonly replyTo?: string;
  /** The thread that it is in: id of the event that this began with. */
  readonly thread?: string;
};

/** A message that was not read. */
export type UnreadMessage = Omit<Message, "text" | "authorship" | "context">;

/** Who reacted to an event. */
export type Reaction = {
  /** Of the reaction itself. */
  readonly id: string;
  readonly room: string;
  readonly sender: string;
  readonly authorship: Authorship;
};

/** An answer that was sent; it can be edited. `id` is its event id. */
export type Answer = { readonly room: string; readonly id: string };

/** A thread of a room, in which an answer stays. */
export type Thread = {
  /** Id of the event that it began with. */
  readonly root: string;
  /** Id of the message in it that is answered, for clients that show no threads. */
  readonly after: string;
};

/** The text of a message, asked for when it is sent: it may have to wait, and would be old by then. */
export type Text = string | (() => string);

/** A message that has people notified. */
type News = {
  /** Undefined where it is none any more, and nothing is to be sent. */
  text(): string | undefined;
  /** Full ids of those who are to be notified. */
  readonly mentions: readonly string[];
};

/** What an answer is changed to; unless it is a text it is asked for when it is sent. */
type Edit =
  | string
  | {
      /** Undefined where there is nothing to change any more. */
      text(): string | undefined;
      /** Whether no other comes after it. */
      isLast(): boolean;
    };

/**
 * Where answers go. All calls are repeated safely with the same `transaction`: the room then shows it once, even
 * where the bot was killed in between. https://spec.matrix.org/latest/client-server-api/#transaction-identifiers
 * A limit of the homeserver is waited for: what is most urgent goes first.
 * @throws SendRefused where sending again makes no sense, and other errors where it does
 */
export type Chat = {
  /** Sends text (plain, may have several lines) to a room. */
  send(room: string, text: Text, transaction: string, thread?: Thread): Promise<Answer>;
  /**
   * The same for what is left out where the homeserver limits what the bot sends, or where `text` is undefined by its turn. What
   * comes after it in the room does not wait until it is sent.
   */
  echo(room: string, text: () => string | undefined, transaction: string): Promise<void>;
  /** Sends news to a room, after answers and before edits. Undefined where it was none any more. */
  tell(room: string, news: News, transaction: string, thread?: Thread): Promise<Answer | undefined>;
  /** Reacts to an event with an emoji; it is left out in the same way. */
  react(to: Answer, emoji: string, transaction: string): Promise<void>;
  /** Replaces the text of an answer. */
  edit(answer: Answer, edit: Edit, transaction: string): Promise<void>;
};

/** The room does not take the message from the bot, for good. `code` says why: `M_FORBIDDEN`. */
export class SendRefused extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`the room does not take the message: ${code}`);
    this.code = code;
  }
}

/** Why a message of an encrypted room is not obeyed. */
export type RefusalReason =
  /** The user's identity is not the one that was pinned or accepted. */
  | "identity-changed"
  /** The device is not signed by the user's identity, or is not known. */
  | "unsigned-device"
  /** The message was encrypted by somebody else than its sender. */
  | "mismatched-sender"
  /** The event was not decrypted by us: what it says of its sender is the homeserver's word. */
  | "not-encrypted"
  /** The message came before, in another event: the homeserver, or somebody with the user's access token, sent it again. */
  | "replayed";

/** A user has another identity than before. Keys are public master keys, base64. */
export type IdentityChange = {
  /** The same each time that this change is told: for a transaction id. */
  readonly id: string;
  readonly user: string;
  readonly from: string;
  readonly to: string;
  /** Whether the user is obeyed all the same. */
  readonly isObeyed: boolean;
};

/**
 * What is done with what comes in. Every call is synchronous: a message is safe with its handler when that returns, and the
 * sync waits for no answer. A handler that throws has the whole sync come again.
 */
export type IncomingHandlers = {
  /** `resumed`: the sync went on from a stored position, so that an old message was missed, and is not just history. */
  onMessage(message: Message, delivery: { readonly resumed: boolean }): void;
  /** A message that came unencrypted to an encrypted room: anybody on its way could have written it. */
  onPlainText(message: Message): void;
  /** A message that could not be decrypted, even after its key was waited for. */
  onUndecryptable(message: UnreadMessage): void;
  /** A message that was decrypted, and is not obeyed because of who may have written it. */
  onRefused(message: Message, reason: RefusalReason): void;
  /** Somebody reacted to the event `answer` with 🔄 or 🔁. */
  onRefresh(answer: string, by: { readonly room: string; readonly sender: string }): void;
  /** Somebody reacted to the event `question` with 👍. */
  onConfirm(question: string, by: Reaction): void;
  /** The event `id` was redacted: its writer, a moderator or the homeserver has taken it back. */
  onRedacted(room: string, id: string): void;
  /** Messages of a room were left out by a sync and can't be read, or are too many; `id` is the same each time. */
  onUnreadGap(room: string, id: string): void;
  /** The bot left a room, or was removed from it. */
  onLeft(room: string, by: string): void;
};

/** Whether the bot's device is signed, in words for /readyz. */
export type DeviceTrust =
  | { readonly isSigned: true }
  | { readonly isSigned: false; readonly message: string };

/** What the bot looked at of its own account beside its device, for /readyz and the metrics. */
export type AccountCheck = {
  /** `no-backup`: a lost volume would not heal. `old-devices`: devices of lost volumes are still there. */
  readonly problem: "no-backup" | "old-devices";
  /** How many there are; 0: all is well. */
  readonly count: number;
  /** What it is and what to do, where there are any. */
  readonly message?: string;
};

export type ConnectChatOptions = {
  readonly store: BotStore;
  /** Whose invitations are followed, and whose messages are waited for. */
  readonly mayTalk: (user: string) => boolean;
  readonly handlers: IncomingHandlers;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly sleep: Sleep;
  /** Ends the tries to join, and what was begun by `start`. */
  readonly signal: AbortSignal;
  readonly onIdentityChange: (change: IdentityChange) => void;
  /** One log-in by `AUTH_METHOD`: `ok`, or why it failed. */
  readonly onLogIn: (method: string, outcome: string) => void;
  /** One sync: `ok`, or why it failed. */
  readonly onSync: (outcome: string) => void;
  /** It works again after it did not. */
  readonly onReconnect: () => void;
  /** An access token that expired was replaced. */
  readonly onRenewal: () => void;
  readonly onInvitation: (outcome: string) => void;
  /** Whether the bot's device is signed, as often as that is looked at. */
  readonly onDeviceTrust: (trust: DeviceTrust) => void;
  /** Called for each problem, as often as that is looked at. */
  readonly onAccountCheck: (check: AccountCheck) => void;
  /** Called once: nothing more comes in, or goes out. The reason is for the operator. */
  readonly onEnd: (reason: string) => void;
};

export type ConnectedChat = {
  readonly ok: true;
  readonly chat: Chat;
  /** Nothing comes in before it. Resolves when all is said about the bot's device, or `signal` was aborted. */
  start(): Promise<void>;
  /** When the last good sync was, on the clock of `now`; undefined before the first. */
  lastGoodSync(): number | undefined;
  /** The change was told in the room, and needs not be told again. */
  acknowledge(change: IdentityChange): void;
  /** What came in is finished and written; answers under way are given up. The store can be closed after it. */
  close(): Promise<void>;
};

/** A chat that can be joined. */
export type ChatNetwork = {
  /** The library that encrypts: `native` or `wasm`. */
  readonly engine: string;
  /** Tries until it works or makes no sense; `reason` is for the operator. Undefined when `signal` ended it. */
  connect(
    options: ConnectChatOptions,
  ): Promise<ConnectedChat | { readonly ok: false; readonly reason: string } | undefined>;
  close(): Promise<void>;
};

/** @throws UnusableFile or Error when the configuration names what can't be used */
export type OpenChat = (config: ChatConfig, logger: Logger) => Promise<ChatNetwork>;
