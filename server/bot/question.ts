// SPDX-License-Identifier: Apache-2.0
// Asks a room a question about a command, edits it, and gives the command up when it was not answered in time.
import { shorten } from "../display-text.ts";
import type { Clock, Timers } from "../time.ts";
import type { Chat } from "./chat.ts";
import { citedCommand } from "./command.ts";
import type { Entry, Journal, Step } from "./journal.ts";
import type { MissedCommandNotices } from "./notices.ts";
import { type Sending, transactionOf } from "./outbox.ts";
import { threadOf } from "./replies.ts";

const ASK_FOR_MS = 30_000;
const EDIT_FOR_MS = 60_000;
/** What is kept of a command that could not be asked about. */
const MAX_CITED = 100;

export type Asking = Extract<Step, { state: "asking" }>;
/** What is asked for, and of whom. */
type AskedFor = Omit<Asking, "state" | "answer" | "endsAt">;

export type Questions = {
  /** Asks, and waits for an answer until `endsAt` answers with, which is called when the question was sent (ms). */
  ask(
    id: string,
    entry: Entry,
    text: string,
    asked: AskedFor,
    endsAt: (now: number) => number,
  ): Promise<void>;
  /** Goes on waiting for the answer to a question that was asked. */
  wait(id: string, entry: Entry, asking: Asking): void;
  /** Changes the question for the `edits`th time; the same edit may be repeated. */
  edit(id: string, question: Question, edits: number, text: QuestionEdit): void;
};

/** A last word, or what is asked for when it is sent; undefined where it is over by then. */
type QuestionEdit = string | (() => string | undefined);

/** Where the question stands, and what its event is. */
type Question = { readonly room: string; readonly question: string };

export type QuestionsOptions = {
  readonly chat: Pick<Chat, "send" | "edit">;
  readonly clock: Pick<Clock, "now">;
  readonly timers: Pick<Timers, "after">;
  readonly sending: Sending;
  readonly journal: Pick<Journal, "step" | "get">;
  readonly missed: Pick<MissedCommandNotices, "gather">;
  track(work: Promise<void>): void;
};

/** `lastWord` is what a question becomes that was not answered in time. */
export const createQuestions = (
  options: QuestionsOptions,
  lastWord: (asking: Asking, entry: Entry) => string,
): Questions => {
  const { chat, clock, timers, sending, journal, missed, track } = options;

  const change = async (
    id: string,
    { room, question }: Question,
    edits: number,
    text: QuestionEdit,
  ): Promise<void> => {
    const transaction = transactionOf(id, `ask-edit-${edits}`);
    const edit = typeof text === "string" ? text : { text, isLast: () => false };
    await sending.attempt({ part: "edit", room, forMs: EDIT_FOR_MS }, () =>
      chat.edit({ room, id: question }, edit, transaction),
    );
  };

  const giveUp = async (id: string, entry: Entry): Promise<void> => {
    const asking = journal.get(id)?.step;
    if (asking?.state !== "asking") return;
    const text = lastWord(asking, entry);
    const { answer: question, approval } = asking;
    await change(id, { room: entry.room, question }, (approval?.edits ?? 0) + 1, text);
    // What was not said is said after a restart; nothing answers the question any more.
    if (!sending.stopped) journal.step(id, { state: "done", edits: 0 });
  };

  const wait: Questions["wait"] = (id, entry, asking) => {
    timers.after(Math.max(0, asking.endsAt - clock.now()), () => track(giveUp(id, entry)));
  };

  /** The room is told when it takes messages again, unless it takes none from the bot at all. */
  const notAsked = (id: string, { room }: Entry, { command }: AskedFor): void => {
    if (sending.isRefused(room)) {
      journal.step(id, { state: "done", edits: 0 });
      return;
    }
    journal.step(id, { state: "missed", command: shorten(citedCommand(command), MAX_CITED) });
    missed.gather();
  };

  return {
    wait,
    edit: (id, question, edits, text) => track(change(id, question, edits, text)),
    async ask(id, entry, text, asked, endsAt) {
      const { room } = entry;
      // A command for all may be asked about twice.
      const part = asked.approval === undefined ? "ask" : "ask-approval";
      const sent = await sending.attempt({ part: "answer", room, forMs: ASK_FOR_MS }, () =>
        chat.send(room, text, transactionOf(id, part), threadOf(id, entry)),
      );
      // What was not asked is asked again after a restart.
      if (sent === undefined && sending.stopped) return;
      if (sent === undefined) return notAsked(id, entry, asked);
      const asking: Asking = { state: "asking", ...asked, answer: sent.id, endsAt: endsAt(clock.now()) };
      journal.step(id, asking);
      wait(id, entry, asking);
    },
  };
};
