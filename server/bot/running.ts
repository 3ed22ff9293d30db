// SPDX-License-Identifier: Apache-2.0
// Runs journalled commands in the order of their rooms: those for several Toggles one after the other, with one answer.
import type { KeyedQueue } from "../queue.ts";
import type { Clock } from "../time.ts";
import type { Access } from "./access.ts";
import type { Chat } from "./chat.ts";
import { type Command, namesIn, type SwitchCommand } from "./command.ts";
import type { Confirmation } from "./confirmation.ts";
import {
  type Decision,
  type ExecuteContext,
  finishSwitch,
  lateDecision,
  namesFor,
  runQuery,
  runSwitch,
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
  readonly questions: Pick<OpenQuestions, "asked">;
  confirmation(): Pick<Confirmation, "ask">;
  track(work: Promise<void>): void;
  atMost(ms: number, work: Promise<unknown>): Promise<void>;
};

type Begun = Extract<Step, { state: "begun" }>;
type Accepted = Extract<Step, { state: "accepted" }>;

const isSwitch = (command: Command): command is SwitchCommand =>
  command.verb === "start" || command.verb === "stop" || command.verb === "restart";

/** A command for each name; of one that names none it is itself. */
const eachOf = (command: SwitchCommand): SwitchCommand[] => {
  const { toggles, ...one } = command;
  return toggles === undefined ? [command] : toggles.map((toggle) => ({ ...one, toggle }));
};

/** What is left of `command` behind its first `count` names. */
const restOf = (command: SwitchCommand, count: number): { rest?: SwitchCommand } => {
  const toggles = namesIn(command).slice(count);
  const { toggle: _, ...more } = command;
  return toggles.length === 0 ? {} : { rest: { ...more, toggles } };
};

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
    const echoed = this.#startEcho(id, entry, step);
    const lines = await (step.state === "accepted"
      ? this.#runAccepted(id, entry, step)
      : this.#finish(id, entry, step));
    if (lines === undefined) return;
    const decided = answering.decide(id, lines);
    const answered = echoed.then(() => answering.answer(id, entry, decided));
    track(answered);
    await atMost(ORDER_MS, answered);
  }

  #isLate({ sentAt, step }: Entry): boolean {
    const { clock, maxAgeMs } = this.#options;
    const since = step.state === "accepted" ? (step.confirmedAt ?? sentAt) : sentAt;
    return clock.now() - since > maxAgeMs;
  }

  #startEcho(id: string, entry: Entry, step: Accepted | Begun): Promise<unknown> {
    const text = step.state === "accepted" && !this.#isLate(entry) ? step.echo : undefined;
    if (text === undefined) return Promise.resolve();
    const { chat, sending } = this.#options;
    const { room, shared } = entry;
    const transaction = transactionOf(id, "echo");
    return sending.attempt({ part: "echo", room, forMs: ECHO_FOR_MS }, () =>
      shared === true ? chat.react({ room, id }, ECHO, transaction) : chat.echo(room, text, transaction),
    );
  }

  /** Undefined where it is not decided yet. */
  async #runAccepted(id: string, entry: Entry, { command }: Accepted): Promise<Decided[] | undefined> {
    const { context } = this.#options;
    if (this.#isLate(entry) && !AT_ONCE.has(command.verb)) return [this.#late(entry, command)];
    if (!isSwitch(command)) return [this.#line(entry, await runQuery(context, command, entry))];
    const why = whyNoSwitch(context, command, entry);
    if (why !== undefined) return [this.#line(entry, why)];
    if (command.all !== true) return this.#runSwitches(id, entry, command, []);
    const { all: _, ...named } = command;
    const names = namesFor(context, entry);
    const [only] = names;
    if (names.length === 1 && only !== undefined) {
      return this.#runSwitches(id, entry, { ...named, toggle: only }, []);
    }
    await this.#options.confirmation().ask(id, entry, command, names);
    return undefined;
  }

  async #runSwitches(
    id: string,
    entry: Entry,
    command: SwitchCommand,
    before: readonly Line[],
  ): Promise<Decided[]> {
    const { context, journal, questions } = this.#options;
    const decided: Decided[] = before.map((line) => ({ line }));
    for (const [at, one] of eachOf(command).entries()) {
      const lines = decided.map(({ line }) => line);
      const state = { ...restOf(command, at + 1), ...(lines.length > 0 && { lines }) };
      const decision = await runSwitch(context, one, entry, (begun) =>
        journal.step(id, { state: "begun", begun, ...state }),
      );
      if (decision.outcome === "which-toggle") questions.asked(one, entry);
      decided.push(this.#line(entry, decision));
    }
    return decided;
  }

  /** Ends what a kill cut off, and goes on with the rest. */
  async #finish(id: string, entry: Entry, { begun, rest, lines = [] }: Begun): Promise<Decided[]> {
    const { context } = this.#options;
    const isLate = () => this.#isLate(entry);
    const first = this.#line(entry, await finishSwitch(context, entry.verb, begun, entry, isLate));
    if (rest === undefined || !isSwitch(rest)) return [...lines.map((line) => ({ line })), first];
    const before = [...lines, first.line];
    if (isLate()) return [...before.map((line) => ({ line })), this.#late(entry, rest)];
    return this.#runSwitches(id, entry, rest, before);
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
