// SPDX-License-Identifier: Apache-2.0
// Sends messages to the chat with retries, backoff and a deadline. Each message has one transaction id, so that one that is
// sent twice shows once.
import { createHash } from "node:crypto";
import { type Clock, sleep } from "../time.ts";
import { SendRefused } from "./chat.ts";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** What is sent, for metrics and the log. */
type SentPart = "echo" | "answer" | "edit" | "notice" | "news";

export type SendReport = {
  readonly part: SentPart;
  readonly room: string;
  /** `retrying` after each failure but the last. `refused`: the room does not take it, and `code` says why. */
  readonly outcome: "sent" | "retrying" | "gave-up" | "refused";
  readonly code?: string;
};

export type Sending = {
  /**
   * Calls `send` until it does not throw, for at most `forMs`, or is refused; undefined where it did not work, or the process
   * stops. `stopped` says which.
   */
  attempt<T>(
    what: { part: SentPart; room: string; forMs: number },
    send: () => Promise<T>,
  ): Promise<T | undefined>;
  readonly stopped: boolean;
  /** Whether the room refused what was last sent to it. */
  isRefused(room: string): boolean;
  /** Ends the pauses; what is not sent stays in the journal. */
  stop(): void;
};

/** `code`: it was refused. */
type Tried<T> = { readonly ok: true; readonly result: T } | { readonly ok: false; readonly code?: string };

const outcomeOf = (tried: Tried<unknown>, isOver: boolean): SendReport["outcome"] => {
  if (tried.ok) return "sent";
  if (tried.code !== undefined) return "refused";
  return isOver ? "gave-up" : "retrying";
};

export const createSending = (clock: Clock, onSend: (report: SendReport) => void): Sending => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const refusing = new Set<string>();
  const tryOnce = async <T>(room: string, send: () => Promise<T>): Promise<Tried<T>> => {
    try {
      const result = await send();
      refusing.delete(room);
      return { ok: true, result };
    } catch (error) {
      return { ok: false, ...(error instanceof SendRefused && { code: error.code }) };
    }
  };
  return {
    get stopped() {
      return signal.aborted;
    },
    isRefused: (room) => refusing.has(room),
    async attempt({ part, room, forMs }, send) {
      const end = clock.now() + forMs;
      for (let wait = FIRST_PAUSE_MS; !signal.aborted; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
        const tried = await tryOnce(room, send);
        // Whatever it was: the chat logs its own failures, and a repeat shows once.
        const isOver = !tried.ok && clock.now() + wait > end;
        const outcome = outcomeOf(tried, isOver);
        onSend({ part, room, outcome, ...(!tried.ok && tried.code !== undefined && { code: tried.code }) });
        if (outcome === "refused") refusing.add(room);
        if (tried.ok) return tried.result;
        if (outcome !== "retrying") return undefined;
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

/** A text that is the newest until a try of it may have arrived: what is repeated under its transaction has to be the same. */
export type SettledText = {
  /** The one to send now. */
  text(): string | undefined;
  /** The one that was sent last. */
  readonly last: string | undefined;
  /** Makes a try, which asks for the text. */
  attempt<T>(send: () => Promise<T>): Promise<T>;
};

export const settledText = (newest: () => string | undefined): SettledText => {
  let last: string | undefined;
  let isSettled = false;
  return {
    text() {
      if (!isSettled) last = newest();
      return last;
    },
    get last() {
      return last;
    },
    async attempt(send) {
      try {
        return await send();
      } catch (error) {
        isSettled = last !== undefined;
        throw error;
      }
    },
  };
};
