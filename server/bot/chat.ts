// SPDX-License-Identifier: Apache-2.0
// What the commands know of a chat: messages that come in, and answers that go out. Matrix is one, `npm start`'s prompt another.

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
};

/** An answer that was sent; it can be edited. `id` is its event id. */
export type Answer = { readonly room: string; readonly id: string };

/**
 * Where answers go. Both calls are repeated safely with the same `transaction`: the room then shows it once, even
 * where the bot was killed in between. https://spec.matrix.org/latest/client-server-api/#transaction-identifiers
 */
export type Chat = {
  /** Sends `text` (plain text, may have several lines) to a room. */
  send(room: string, text: string, transaction: string): Promise<Answer>;
  /** Replaces the text of an answer. */
  edit(answer: Answer, text: string, transaction: string): Promise<void>;
};
