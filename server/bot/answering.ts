// SPDX-License-Identifier: Apache-2.0
// From a decision to the one answer that a room sees, written down before each step.

import type { Clock } from "../time.ts";
import type { Access } from "./access.ts";
import type { Chat } from "./chat.ts";
import type { Decision } from "./execute.ts";
import type { Entry, Journal, Step } from "./journal.ts";
import type { BotMetrics } from "./metrics.ts";
import type { Sending } from "./outbox.ts";
import { transactionOf } from "./outbox.ts";
import { FOLLOWED_MS, type Progress } from "./progress.ts";
import { isSettled } from "./state-text.ts";

const ANSWER_FOR_MS = 3_600_000;

type Decided = Extract<Step, { state: "decided" }>;
type Answered = Extract<Step, { state: "answered" }>;

/** A pino logger is one. No text of a message is ever given to it. */
export type CommandLog = {
  readonly [level in "info" | "warn" | "error"]: (fields: object, message: string) => void;
};

export type AnsweringOptions = {
  readonly chat: Pick<Chat, "send">;
  readonly access: Pick<Access, "mayUse">;
  readonly clock: Clock;
  readonly journal: Pick<Journal, "step">;
  readonly sending: Sending;
  readonly progress: Progress;
  readonly metrics: Pick<BotMetrics, "command" | "patched" | "answered">;
  readonly logger: Pick<CommandLog, "info" | "warn">;
};

export type Answering = {
  /** Writes a decision down. */
  decide(id: string, entry: Entry, decision: Decision): Decided;
  /** Sends the answer of what was decided, and follows what was switched; before or after a restart. */
  answer(id: string, entry: Entry, decided: Decided): Promise<void>;
  /** Goes on with an answer that was sent. `shown`: its text, where that is known. */
  follow(id: string, entry: Entry, answered: Omit<Answered, "state">, shown?: string): void;
};

/** Whether a reaction may bring the answer up to date. */
const isRefreshable = (verb: string, toggle?: string): boolean =>
  toggle !== undefined || verb === "status" || verb === "list";

export const createAnswering = (options: AnsweringOptions): Answering => {
  const { chat, access, clock, journal, sending, progress, metrics, logger } = options;

  const follow: Answering["follow"] = (id, { room, sender }, { answer, following, edits }, shown) =>
    progress.follow({
      id,
      answer: { room, id: answer },
      following,
      edits,
      ...(shown === undefined ? {} : { shown }),
      mayUse: (toggle) => access.mayUse(toggle, { sender, room }),
    });

  return {
    follow,
    decide(id, entry, { outcome, text, toggle, switched }) {
      const { verb, room, sender, sentAt } = entry;
      const now = clock.now();
      const following =
        switched === undefined || isSettled(switched, now)
          ? {}
          : {
              following: {
                toggle: switched.metadata.name,
                generation: switched.metadata.generation ?? 0,
                endsAt: now + FOLLOWED_MS,
              },
            };
      const named = toggle === undefined ? {} : { toggle };
      const decided: Decided = { state: "decided", text, ...named, ...following };
      journal.step(id, decided);
      metrics.command(verb, outcome);
      if (switched !== undefined) metrics.patched(now - sentAt);
      logger.info({ verb, outcome, room, sender, ...named }, "command");
      // Answers to earlier commands for it say their last word.
      if (switched !== undefined) progress.seen(switched);
      return decided;
    },
    async answer(id, entry, { text, toggle, following }) {
      const { room, sender, verb, sentAt } = entry;
      const sent = await sending.attempt({ part: "answer", room, forMs: ANSWER_FOR_MS }, () =>
        chat.send(room, text, transactionOf(id, "answer")),
      );
      if (sent === undefined && sending.stopped) return;
      if (sent === undefined) {
        logger.warn({ verb, room, sender }, "an answer could not be sent, and is given up");
        return journal.step(id, { state: "done", edits: 0 });
      }
      metrics.answered(clock.now() - sentAt);
      if (following !== undefined) {
        const answered = { answer: sent.id, following, edits: 0 };
        journal.step(id, { state: "answered", ...answered });
        return follow(id, entry, answered, text);
      }
      const shown = { id: sent.id, ...(toggle === undefined ? {} : { toggle }) };
      journal.step(id, { state: "done", edits: 0, ...(isRefreshable(verb, toggle) ? { shown } : {}) });
    },
  };
};
