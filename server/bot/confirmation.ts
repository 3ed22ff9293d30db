// SPDX-License-Identifier: Apache-2.0
// Asks whether a command for all Toggles is meant, once, and runs it when its sender reacts to the question in time.
import type { Clock } from "../time.ts";
import type { CommandSource } from "./access.ts";
import { namesText } from "./answers.ts";
import type { SwitchCommand } from "./command.ts";
import type { Entry, Journal, Pending, Step } from "./journal.ts";
import type { OwnMessages } from "./own-messages.ts";
import type { Questions } from "./question.ts";

/** How long an answer is waited for. */
const CONFIRM_MS = 60_000;

export type Confirmation = {
  /** Asks for a command that names its Toggles. */
  ask(id: string, entry: Entry, command: SwitchCommand, names: readonly string[]): Promise<void>;
  /** Somebody reacted with 👍 to the event `question`. */
  confirm(question: string, by: CommandSource): void;
};

export type ConfirmationOptions = {
  readonly clock: Pick<Clock, "now">;
  readonly journal: Pick<Journal, "step" | "answeredBy">;
  readonly own: Pick<OwnMessages, "has">;
  readonly questions: Pick<Questions, "ask">;
};

const questionText = ({ verb }: SwitchCommand, names: readonly string[]): string =>
  `${verb} all ${names.length}: ${namesText(names)}? React with 👍 to this within ${CONFIRM_MS / 1000} s, and I do.`;

export const unconfirmedText = ({ verb }: { readonly verb: string }): string =>
  `${verb} all was not confirmed: nothing was switched.`;

/** What was confirmed is given to `run`. */
export const createConfirmation = (
  { clock, journal, own, questions }: ConfirmationOptions,
  run: (pending: Pending) => void,
): Confirmation => ({
  ask(id, entry, { all: _, ...command }, names) {
    const named = { ...command, toggles: [...names] };
    const text = questionText(command, names);
    return questions.ask(id, entry, text, { command: named }, (now) => now + CONFIRM_MS);
  },
  confirm(question, { sender, room }) {
    // People react to much.
    if (!own.has(question)) return;
    const { id, entry } = journal.answeredBy(question) ?? {};
    if (id === undefined || entry?.step.state !== "asking" || entry.step.approval !== undefined) return;
    const now = clock.now();
    if (entry.sender !== sender || entry.room !== room || now >= entry.step.endsAt) return;
    const step: Step = { state: "accepted", command: entry.step.command, confirmedAt: now };
    journal.step(id, step);
    run({ id, entry: { ...entry, sentAt: now, step } });
  },
});
