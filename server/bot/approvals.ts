// SPDX-License-Identifier: Apache-2.0
// Takes the approvals of commands that wait for them, by a line with the question's code or a reaction, and runs them then.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Clock } from "../time.ts";
import { type CountContext, countApprovals, mayApprove } from "./approval-count.ts";
import { type ApprovalQuestionOptions, askForApproval } from "./approval-question.ts";
import type { Approval, Approver } from "./approval-record.ts";
import {
  type ApprovingLine,
  approvedText,
  approvingLine,
  NO_APPROVAL,
  questionText,
  takenBackText,
  unapprovedText,
} from "./approval-text.ts";
import type { Chat, Message, Reaction } from "./chat.ts";
import { type Command, isSwitch, type SwitchCommand } from "./command.ts";
import type { Decision } from "./execute.ts";
import type { Entry, Journal, Pending, Step } from "./journal.ts";
import { type Sending, transactionOf } from "./outbox.ts";
import type { Asking, Questions } from "./question.ts";
import { type CommandLog, threadOf } from "./replies.ts";

const HINT_FOR_MS = 60_000;
/** Of a question, those taken back included. */
const MOST_APPROVERS = 100;

export type ApprovalsOptions = CountContext &
  Omit<ApprovalQuestionOptions, "codesIn"> & {
    readonly chat: Pick<Chat, "send">;
    readonly clock: Clock;
    readonly sending: Pick<Sending, "attempt">;
    readonly journal: Pick<Journal, "step" | "get" | "add">;
    readonly questions: Questions;
    readonly logger: Pick<CommandLog, "info">;
    track(work: Promise<void>): void;
  };

/** A question that waits. */
type Waiting = {
  readonly id: string;
  readonly entry: Entry;
  readonly asking: Asking;
  readonly approval: Approval;
  readonly command: SwitchCommand;
};

const refused = (text: string): Command => ({ verb: "refused", text });

/** The last word on a question that was not answered by enough; undefined of one that is about something else. */
export const lastWordOn = (
  context: CountContext,
  { command, approval }: Asking,
  entry: Entry,
): string | undefined =>
  approval === undefined || !isSwitch(command)
    ? undefined
    : unapprovedText(command, countApprovals(context, entry, command, approval));

/** What was approved is given to `run`. */
export class Approvals {
  readonly #options: ApprovalsOptions;
  readonly #run: (pending: Pending) => void;
  /** The commands whose question may wait, and the users who were told there that a reaction does not count. */
  readonly #open = new Map<string, Set<string>>();

  constructor(options: ApprovalsOptions, run: (pending: Pending) => void) {
    this.#options = options;
    this.#run = run;
  }

  /** See askForApproval. */
  async ask(
    pending: Pending,
    command: SwitchCommand,
    toggles: readonly Toggle[],
  ): Promise<Decision | "asked" | undefined> {
    const codesIn = (room: string) => this.#waiting(room).map(({ approval }) => approval.code);
    const asked = await askForApproval({ ...this.#options, codesIn }, pending, command, toggles);
    if (asked === "asked") this.#open.set(pending.id, new Set());
    return asked;
  }

  /** Goes on after a restart with a command that waits, or whose question may not say yet that it was approved. */
  resume({ id, entry }: Pending): void {
    const { step, room } = entry;
    if (step.state === "asking" && step.approval !== undefined) {
      this.#open.set(id, new Set());
      for (const one of this.#waiting(room)) if (one.id === id && one.approval.edits > 0) this.#show(one);
    }
    if (step.state !== "accepted" || step.approved === undefined || !isSwitch(step.command)) return;
    const { question, by, edits } = step.approved;
    const text = approvedText(step.command, by);
    this.#options.questions.edit(id, { room, question }, edits, text);
  }

  /** Whether a line that addresses nobody is about an approval that waits in its room. */
  concerns({ room, text }: Pick<Message, "room" | "text">): boolean {
    const line = approvingLine(text);
    if (line?.isExplicit !== true) return false;
    return this.#waiting(room).some(({ approval }) => line.code === undefined || line.code === approval.code);
  }

  /**
   * Takes a line that was said to the bot where it is about an approval; a command says what is to be answered. Undefined where
   * it is about something else.
   */
  take(message: Message, said: string): Command | "taken" | undefined {
    const line = approvingLine(said);
    if (line === undefined) return undefined;
    const { journal, clock } = this.#options;
    const { id, room, sender, authorship } = message;
    // It came before, and was judged then.
    if (journal.get(id) !== undefined) return "taken";
    const waiting = this.#waiting(room);
    const one = waiting.find((each) => isMeant(each, line, message));
    if (one === undefined) return this.#unmeant(waiting, line, message);
    if (sender === one.entry.sender) return refused(NO_APPROVAL.own);
    if (!mayApprove(this.#options, one.entry, one.command, sender)) return refused(NO_APPROVAL.none);
    if (authorship === "unproven") return refused(NO_APPROVAL.unproven);
    this.#approve(one, { user: sender, event: id });
    const now = clock.now();
    journal.add(id, {
      at: now,
      room,
      sender,
      sentAt: now,
      verb: "approve",
      step: { state: "done", edits: 0 },
    });
    return "taken";
  }

  /** Somebody reacted with 👍 to the event `question`. */
  reacted(question: string, { id, room, sender, authorship }: Reaction): void {
    const one = this.#waiting(room).find(({ asking }) => asking.answer === question);
    if (one === undefined || !mayApprove(this.#options, one.entry, one.command, sender)) return;
    if (authorship === "plain") this.#approve(one, { user: sender, event: id });
    // Nor would an encrypted one count: a homeserver gives events their ids, and could show another question under this one's.
    else this.#hint(one, sender);
  }

  /** The event was taken back: an approval, which does not count any more, or the command that waits. */
  redacted(room: string, event: string): void {
    const { journal, questions } = this.#options;
    for (const one of this.#waiting(room)) {
      const { id, asking, approval, command } = one;
      const isIn = approval.approvers.some((each) => each.event === event && each.withdrawn !== true);
      if (isIn) {
        const approvers = approval.approvers.map((each) =>
          each.event === event ? { ...each, withdrawn: true } : each,
        );
        this.#keep(one, approvers);
      }
      if (id !== event) continue;
      journal.step(id, { state: "done", edits: 0 });
      const text = takenBackText(command);
      questions.edit(id, { room, question: asking.answer }, approval.edits + 1, text);
    }
  }

  #waiting(room: string): Waiting[] {
    const { journal, clock } = this.#options;
    return [...this.#open.keys()].flatMap((id) => {
      const entry = journal.get(id);
      const asking = entry?.step;
      if (asking?.state !== "asking") this.#open.delete(id);
      if (entry?.room !== room || asking?.state !== "asking" || clock.now() >= asking.endsAt) return [];
      const { approval, command } = asking;
      return approval === undefined || !isSwitch(command) ? [] : [{ id, entry, asking, approval, command }];
    });
  }

  /** What is answered to a line that names no question that waits. */
  #unmeant(waiting: readonly Waiting[], line: ApprovingLine, { sender, context }: Message) {
    if (line.code !== undefined) return refused(NO_APPROVAL.none);
    const others = waiting.filter(({ entry, command }) => mayApprove(this.#options, entry, command, sender));
    const answered = others.filter(({ asking }) => asking.answer === context.replyTo);
    const meant = answered.length > 0 ? answered : others;
    if (meant.length > 0) {
      const each = meant.map(({ command, approval }) => NO_APPROVAL.code(command, approval.code));
      return refused(each.join("\n"));
    }
    if (!line.isExplicit) return undefined;
    const isOwn = waiting.some(({ entry }) => entry.sender === sender);
    return refused(isOwn ? NO_APPROVAL.own : NO_APPROVAL.none);
  }

  #approve(one: Waiting, approver: Approver): void {
    const { approvers } = one.approval;
    // Whoever took an approval back can give another one, but the same event is no other.
    const isKnown = approvers.some(
      ({ user, event, withdrawn }) =>
        event === approver.event || (user === approver.user && withdrawn !== true),
    );
    if (!isKnown && approvers.length < MOST_APPROVERS) this.#keep(one, [...approvers, approver]);
  }

  /** Writes down who has approved, and goes on where that is enough. */
  #keep(one: Waiting, approvers: Approver[]): void {
    const { clock, journal, logger, questions } = this.#options;
    const { id, entry, asking, command } = one;
    const { room, sender } = entry;
    const approval = { ...one.approval, approvers, edits: one.approval.edits + 1 };
    const { need, has, users: by } = countApprovals(this.#options, entry, command, approval);
    if (by.length === 0 || has < need) {
      journal.step(id, { ...asking, approval });
      this.#show({ ...one, approval });
      return;
    }
    const now = clock.now();
    const approved = { question: asking.answer, by: [...by], edits: approval.edits };
    const step: Step = { state: "accepted", command, confirmedAt: now, approved };
    journal.step(id, step);
    logger.info({ verb: command.verb, room, sender, approvedBy: by }, "a command was approved");
    const text = approvedText(command, by);
    questions.edit(id, { room, question: asking.answer }, approval.edits, text);
    this.#run({ id, entry: { ...entry, sentAt: now, step } });
  }

  /** Shows in the question who has approved, where that is not over when it is sent. */
  #show({ id, entry: { room }, asking, approval: { edits } }: Waiting): void {
    const { questions } = this.#options;
    questions.edit(id, { room, question: asking.answer }, edits, () => {
      const now = this.#waiting(room).find((one) => one.id === id && one.approval.edits === edits);
      return now && this.#textOf(now);
    });
  }

  #textOf({ entry, asking, approval, command }: Waiting): string {
    const { sender, encrypted = false } = entry;
    const count = countApprovals(this.#options, entry, command, approval);
    const leftMs = asking.endsAt - this.#options.clock.now();
    return questionText({ command, sender, encrypted, code: approval.code, ...count, leftMs });
  }

  /** Tells a user, once, that a reaction does not count, and what does. */
  #hint({ id, entry, asking, command, approval }: Waiting, user: string): void {
    const { chat, sending, track } = this.#options;
    const hinted = this.#open.get(id);
    if (hinted === undefined || hinted.has(user)) return;
    hinted.add(user);
    const { room } = entry;
    const text = NO_APPROVAL.reaction(user, command, approval.code);
    const transaction = transactionOf(`${asking.answer} ${user}`, "reaction");
    const send = async () => {
      const what = { part: "notice", room, forMs: HINT_FOR_MS } as const;
      await sending.attempt(what, () => chat.send(room, text, transaction, threadOf(id, entry)));
    };
    track(send());
  }
}

/** In a room without encryption a reply to the question is as good as its code. */
const isMeant = (
  { approval, asking }: Waiting,
  { code }: ApprovingLine,
  { authorship, context }: Message,
): boolean =>
  code === undefined ? authorship === "plain" && context.replyTo === asking.answer : code === approval.code;
