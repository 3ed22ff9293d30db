// SPDX-License-Identifier: Apache-2.0
// Runs journalled commands in the order of their rooms: those for several Toggles one after the other, with one answer.
import type { KeyedQueue } from "../queue.ts";
import type { Clock } from "../time.ts";
import type { Access } from "./access.ts";
import type { Approved } from "./approval-record.ts";
import type { Approvals } from "./approvals.ts";
import type { Chat } from "./chat.ts";
import { type Command, isSwitch, namesIn, type SwitchCommand } from "./command.ts";
import type { Confirmation } from "./confirmation.ts";
import {
  changedBy,
  type Decision,
  type ExecuteContext,
  finishSwitch,
  lateDecision,
  namesFor,
  runQuery,
  runSwitch,
  type SwitchSource,
  whyNoSwitch,
} from "./execute.ts";
import { AT_ONCE, ECHO } from "./intake.ts";
import type { Entry, Journal, Line, Pending, Step } from "./journal.ts";
import type { OpenQuestions } from "./open-questions.ts";
import { type Sending, transactionOf } from "./outbox.ts";
import type { Answering } from "./replies.ts";

const ECHO_FOR_MS = 5_000;
/** The next command of a room waits this long for the answer to the one before, so that answers keep their order. */
const ORDER_MS = 2_000;

export type RunningOptions = {
  readonly chat: Pick<Chat, "echo" | "react">;
  readonly access: Pick<Access, "mayTalk">;
  readonly clock: Pick<Clock, "now">;
  readonly maxAgeMs: number;
  readonly journal: Pick<Journal, "step">;
  readonly sending: Sending;
  /** By room. */
  readonly queue: Pick<KeyedQueue, "run">;
  readonly answering: Answering;
  readonly context: ExecuteContext;
  readonly openQuestions: Pick<OpenQuestions, "asked">;
  confirmation(): Pick<Confirmation, "ask">;
  approvals(): Pick<Approvals, "ask">;
  track(work: Promise<void>): void;
  atMost(ms: number, work: Promise<unknown>): Promise<void>;
};

type Begun = Extract<Step, { state: "begun" }>;
type Accepted = Extract<Step, { state: "accepted" }>;

/** A command for each name; of one that names none it is itself. */
const eachOf = (command: SwitchCommand): SwitchCommand[] => {
  const { toggles, ...one } = command;
  return toggles === undefined ? [command] : toggles.map((toggle) => ({ ...one, toggle }));
};

/** The command with the Toggles that `all` means. */
const withoutAll = ({ all, ...command }: SwitchCommand, names: () => readonly string[]): SwitchCommand => {
  if (all !== true) return command;
  const [first, ...others] = names();
  if (first === undefined) return command;
  return others.length === 0 ? { ...command, toggle: first } : { ...command, toggles: [first, ...others] };
};

/** What is left of `command` behind its first `count` names. */
const restOf = (command: SwitchCommand, count: number): { rest?: SwitchCommand } => {
  const toggles = namesIn(command).slice(count);
  const { toggle: _, ...more } = command;
  return toggles.length === 0 ? {} : { rest: { ...more, toggles } };
};

const sourceOf = ({ sender, room }: Entry, approved: Approved | undefined): SwitchSource => ({
  sender,
  room,
  ...(approved && { approvedBy: approved.by }),
});

/** What goes on with a message: it runs after this turn, and so after the transaction that the caller may be in. */
export const createRunning = (options: RunningOptions): ((pending: Pending) => void) => {
  const running = new Running(options);
  const { queue, track } = options;
  return (pending) => {
    const { step, room } = pending.entry;
    if (step.state !== "accepted" || !AT_ONCE.has(step.command.verb)) {
      track(queue.run(room, () => running.run(pending)));
    } else track(Promise.resolve().then(() => running.run(pending)));
  };
};

class Running {
  readonly #options: RunningOptions;

  constructor(options: RunningOptions) {
    this.#options = options;
  }

  async run({ id, entry }: Pending): Promise<void> {
    const { access, journal, sending, answering, track, atMost } = this.#options;
    const { step, sender } = entry;
    if (sending.stopped || (step.state !== "accepted" && step.state !== "begun")) return;
    // The list of users may be another since the restart.
    if (!access.mayTalk(sender)) return journal.step(id, { state: "done", edits: 0 });
    const echo = this.#startEcho(id, entry, step);
    const lines = await (step.state === "accepted"
      ? this.#runAccepted(id, entry, step)
      : this.#finish(id, entry, step));
    if (lines === undefined) return;
    echo.isLate = true;
    const decided = answering.decide(id, lines);
    const answered = answering.answer(id, entry, decided);
    track(answered);
    await atMost(ORDER_MS, answered);
  }

  #isLate({ sentAt, step }: Entry): boolean {
    const { clock, maxAgeMs } = this.#options;
    const { confirmedAt = sentAt } = step.state === "accepted" || step.state === "begun" ? step : {};
    return clock.now() - confirmedAt > maxAgeMs;
  }

  /** It is under way when this returns. One that has yet to be sent is left out when it `isLate`, as its answer is to go out. */
  #startEcho(id: string, entry: Entry, step: Accepted | Begun): { isLate: boolean } {
    const echo = { isLate: false };
    const text = step.state === "accepted" && !this.#isLate(entry) ? step.echo : undefined;
    if (text === undefined) return echo;
    const { chat, sending, track } = this.#options;
    const { room, shared } = entry;
    const transaction = transactionOf(id, "echo");
    const send = async (): Promise<void> => {
      if (echo.isLate) return;
      if (shared === true) return chat.react({ room, id }, ECHO, transaction);
      return chat.echo(room, () => (echo.isLate ? undefined : text), transaction);
    };
    track(sending.attempt({ part: "echo", room, forMs: ECHO_FOR_MS }, send).then(() => {}));
    return echo;
  }

  /** Undefined where it is not decided yet. */
  async #runAccepted(id: string, entry: Entry, step: Accepted): Promise<Decided[] | undefined> {
    const { context, approvals, confirmation } = this.#options;
    const { command, approved } = step;
    if (this.#isLate(entry) && !AT_ONCE.has(command.verb)) return [this.#late(entry, command)];
    if (!isSwitch(command)) return [this.#line(entry, await runQuery(context, command, entry))];
    const why = whyNoSwitch(context, command, entry);
    if (why !== undefined) return [this.#line(entry, why)];
    const named = withoutAll(command, () => namesFor(context, entry));
    if (approved === undefined) {
      const changed = await changedBy(context, named, entry);
      const held = await approvals().ask({ id, entry }, named, changed);
      if (held !== undefined) return held === "asked" ? undefined : [this.#line(entry, held)];
    }
    if (command.all !== true || named.toggles === undefined) {
      return this.#runSwitches(id, entry, named, [], step);
    }
    await confirmation().ask(id, entry, command, named.toggles);
    return undefined;
  }

  async #runSwitches(
    id: string,
    entry: Entry,
    command: SwitchCommand,
    before: readonly Line[],
    { confirmedAt, approved }: Accepted | Begun,
  ): Promise<Decided[]> {
    const { context, journal, openQuestions } = this.#options;
    const cleared = { ...(confirmedAt !== undefined && { confirmedAt }), ...(approved && { approved }) };
    const decided: Decided[] = before.map((line) => ({ line }));
    for (const [at, one] of eachOf(command).entries()) {
      const lines = decided.map(({ line }) => line);
      const state = { ...restOf(command, at + 1), ...(lines.length > 0 && { lines }) };
      const decision = await runSwitch(context, one, sourceOf(entry, approved), (begun) =>
        journal.step(id, { state: "begun", begun, ...state, ...cleared }),
      );
      if (decision.outcome === "which-toggle") openQuestions.asked(one, entry);
      decided.push(this.#line(entry, decision));
    }
    return decided;
  }

  /** Ends what a kill cut off, and goes on with the rest. */
  async #finish(id: string, entry: Entry, step: Begun): Promise<Decided[]> {
    const { context } = this.#options;
    const { begun, rest, lines = [], approved } = step;
    const isLate = () => this.#isLate(entry);
    const source = sourceOf(entry, approved);
    const first = this.#line(entry, await finishSwitch(context, entry.verb, begun, source, isLate));
    if (rest === undefined || !isSwitch(rest)) return [...lines.map((line) => ({ line })), first];
    const before = [...lines, first.line];
    if (isLate()) return [...before.map((line) => ({ line })), this.#late(entry, rest)];
    return this.#runSwitches(id, entry, rest, before, step);
  }

  #late(entry: Entry, command: Command): Decided {
    const named = namesIn(command).join(" ");
    return this.#line(entry, lateDecision(command.verb, named === "" ? undefined : named));
  }

  #line(entry: Entry, decision: Decision): Decided {
    return this.#options.answering.line(entry, decision);
  }
}

type Decided = ReturnType<Answering["line"]>;
