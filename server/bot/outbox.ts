// SPDX-License-Identifier: Apache-2.0
// Sends messages to the chat with retries, backoff and a deadline. Each message has one transaction id, so that one that is
// sent twice shows once.
import { createHash } from "node:crypto";
import { type Clock, sleep } from "../time.ts";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** What is sent, for metrics and the log. */
type SentPart = "echo" | "answer" | "edit" | "notice";

export type SendReport = {
  readonly part: SentPart;
  readonly room: string;
  /** `retrying` after each failure but the last. */
  readonly outcome: "sent" | "retrying" | "gave-up";
};

export type Sending = {
  /**
   * Calls `send` until it does not throw, for at most `forMs`; undefined where it did not work, or the process stops.
   * `stopped` says which.
   */
  attempt<T>(
    what: { part: SentPart; room: string; forMs: number },
    send: () => Promise<T>,
  ): Promise<T | undefined>;
  readonly stopped: boolean;
  /** Ends the pauses; what is not sent stays in the journal. */
  stop(): void;
};

export const createSending = (clock: Clock, onSend: (report: SendReport) => void): Sending => {
  const stopping = new AbortController();
  const { signal } = stopping;
  return {
    get stopped() {
      return signal.aborted;
    },
    async attempt({ part, room, forMs }, send) {
      const end = clock.now() + forMs;
      for (let wait = FIRST_PAUSE_MS; !signal.aborted; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
        try {
          const result = await send();
          onSend({ part, room, outcome: "sent" });
          return result;
        } catch {
          // Whatever it was: the chat logs its own failures, and a repeat shows once.
          const last = clock.now() + wait > end;
          onSend({ part, room, outcome: last ? "gave-up" : "retrying" });
          if (last) return undefined;
        }
        await sleep(clock, wait, signal);
      }
      return undefined;
    },
    stop() {
      stopping.abort();
    },
  };
};

/** The transaction of `part` (echo, answer, …) of what is said because of the message `id`; safe in a URL. */
export const transactionOf = (id: string, part: string): string =>
  `ks-${createHash("sha256").update(id).digest("base64url").slice(0, 32)}-${part}`;
