// SPDX-License-Identifier: Apache-2.0
// Sends a message that mentions somebody, with the text that is newest when it is sent.
import type { Answer, Chat, Thread } from "./chat.ts";
import { type Sending, settledText } from "./outbox.ts";

export type NewsOptions = {
  readonly chat: Pick<Chat, "tell">;
  readonly sending: Pick<Sending, "attempt">;
};

/** To whom news are sent, where, and how long that is tried (ms). */
export type NewsTo = {
  readonly room: string;
  /** Full id of whom it mentions. */
  readonly user: string;
  readonly thread?: Thread;
  readonly transaction: string;
  readonly forMs: number;
};

/**
 * `text` is asked for at each try, until one may have arrived; undefined: it is none any more, and nothing is sent. Undefined
 * where nothing was sent.
 */
export const sendNews = (
  { chat, sending }: NewsOptions,
  { room, user, thread, transaction, forMs }: NewsTo,
  text: () => string | undefined,
): Promise<Answer | undefined> => {
  const settled = settledText(text);
  const news = { text: () => settled.text(), mentions: [user] };
  return sending.attempt({ part: "news", room, forMs }, () =>
    settled.attempt(() => chat.tell(room, news, transaction, thread)),
  );
};
