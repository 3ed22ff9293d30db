// SPDX-License-Identifier: Apache-2.0
// Asks whether a command for all Toggles is meant, once, and runs it when its sender reacts to the question in time.
import type { Clock, Timers } from "../time.ts";
import type { CommandSource } from "./access.ts";
import { namesText } from "./answers.ts";
import type { Chat } from "./chat.ts";
import type { SwitchCommand } from "./command.ts";
import type { Entry, Journal, Pending, Step } from "./journal.ts";
import { type Sending, transactionOf } from "./outbox.ts";
import type { OwnMessages } from "./own-messages.ts";
import { threadOf } from "./replies.ts";

/** How long an answer is waited for. */
const CONFIRM_MS = 60_000;
const ASK_FOR_MS = 30_000;
const EDIT_FOR_MS = 60_000;

type Asking = Extract<Step, { state: "asking" }>;

export type Confirmation = {
  /** Asks for a command that names its Toggles. */
  ask(id: string, entry: Entry, command: SwitchCommand, names: readonly string[]): Promise<void>;
  /** Goes on waiting for the answer to a question that was asked. */
  wait(id: string, entry: Entry, asking: Asking): void;
  /** Somebody reacted with 👍 to the event `question`. */
  confirm(question: string, by: CommandSource): void;
};

export type ConfirmationOptions = {
  readonly chat: Pick<Chat, "send" | "edit">;
  readonly clock: Pick<Clock, "now">;
  readonly timers: Pick<Timers, "after">;
  readonly sending: Sending;
  readonly journal: Pick<Journal, "step" | "get" | "answeredBy">;
  readonly own: Pick<OwnMessages, "has">;
  track(work: Promise<void>): void;
};

const questionText = ({ verb }: SwitchCommand, names: readonly string[]): string =>
  `${verb} all ${names.length}: ${namesText(names)}? React with 👍 to this within ${CONFIRM_MS / 1000} s, and I do.`;

/** What was confirmed is given to `run`. */
export const createConfirmation = (
  options: ConfirmationOptions,
  run: (pending: Pending) => void,
): Confirmation => {
  const { chat, clock, timers, sending, journal, own, track } = options;

  const giveUp = async (id: string, room: string, { command, answer }: Asking): Promise<void> => {
    if (journal.get(id)?.step.state !== "asking") return;
    const text = `${command.verb} all was not confirmed: nothing was switched.`;
    journal.step(id, { state: "done", edits: 1 });
    await sending.attempt({ part: "edit", room, forMs: EDIT_FOR_MS }, () =>
      chat.edit({ room, id: answer }, text, transactionOf(id, "edit-1")),
    );
  };

  const wait: Confirmation["wait"] = (id, { room }, asking) => {
    timers.after(Math.max(0, asking.endsAt - clock.now()), () => track(giveUp(id, room, asking)));
  };

  return {
    wait,
    async ask(id, entry, { all: _, ...command }, names) {
      const { room } = entry;
      const text = questionText(command, names);
      const sent = await sending.attempt({ part: "answer", room, forMs: ASK_FOR_MS }, () =>
        chat.send(room, text, transactionOf(id, "ask"), threadOf(id, entry)),
      );
      // What was not asked is asked again after a restart.
      if (sent === undefined && sending.stopped) return;
      if (sent === undefined) return journal.step(id, { state: "done", edits: 0 });
      const asking: Asking = {
        state: "asking",
        command: { ...command, toggles: [...names] },
        answer: sent.id,
        endsAt: clock.now() + CONFIRM_MS,
      };
      journal.step(id, asking);
      wait(id, entry, asking);
    },
    confirm(question, { sender, room }) {
      // People react to much.
      if (!own.has(question)) return;
      const { id, entry } = journal.answeredBy(question) ?? {};
      if (id === undefined || entry?.step.state !== "asking") return;
      const now = clock.now();
      if (entry.sender !== sender || entry.room !== room || now >= entry.step.endsAt) return;
      const step: Step = { state: "accepted", command: entry.step.command, confirmedAt: now };
      journal.step(id, step);
      run({ id, entry: { ...entry, sentAt: now, step } });
    },
  };
};
