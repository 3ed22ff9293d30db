// SPDX-License-Identifier: Apache-2.0
// Sends the last word on a switch as a message of its own, which mentions who asked, once.
import type { Chat, Thread } from "./chat.ts";
import { type Sending, transactionOf } from "./outbox.ts";
import { sendNews } from "./send-news.ts";

const LAST_WORD_FOR_MS = 3_600_000;

const PART = "last";

/** Whether it was sent, or is, under `transaction`. */
export const isLastWord = (transaction: string): boolean => transaction.endsWith(`-${PART}`);

export type LastWordOptions = {
  readonly chat: Pick<Chat, "tell">;
  readonly sending: Sending;
};

/** To whom the last word is said, and where. */
export type LastWordTo = {
  /** Id of the message that was answered. */
  readonly id: string;
  readonly room: string;
  readonly user: string;
  readonly thread?: Thread;
};

/**
 * Sends it under the one transaction that it has for a message. `news` is asked for it when it is sent, and undefined where there
 * is none any more: `none`, and nothing is sent. `stopped`: the process stops, and it is to be sent after the next start.
 */
export const sayLastWord = async (
  options: LastWordOptions,
  { id, ...to }: LastWordTo,
  news: () => string | undefined,
): Promise<"said" | "none" | "stopped"> => {
  let isNone = false;
  const how = { ...to, transaction: transactionOf(id, PART), forMs: LAST_WORD_FOR_MS };
  await sendNews(options, how, () => {
    const newest = news();
    isNone = newest === undefined;
    return newest;
  });
  if (options.sending.stopped) return "stopped";
  return isNone ? "none" : "said";
};
