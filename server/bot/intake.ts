// SPDX-License-Identifier: Apache-2.0
// Takes messages in: writes down those that are commands said to the bot, and has them run; the others leave no trace.
import { shorten } from "../display-text.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import type { KeyedQueue } from "../queue.ts";
import type { Clock } from "../time.ts";
import type { Access } from "./access.ts";
import { type Addressing, addressedText } from "./addressing.ts";
import type { Approvals } from "./approvals.ts";
import type { Message } from "./chat.ts";
import { type Command, citedCommand, commandOf, type Verb } from "./command.ts";
import { type Entry, type Journal, type Pending, UNREAD } from "./journal.ts";
import type { BotMetrics } from "./metrics.ts";
import type { MissedCommandNotices } from "./notices.ts";
import type { OpenQuestions } from "./open-questions.ts";
import type { OwnMessages } from "./own-messages.ts";

/** What a message is echoed with. */
export const ECHO = "🦞";
/** What is left of a message in its echo, in characters. */
const MAX_ECHO = 200;
/** What is kept of a line that is no command: enough to see what was meant. */
const MAX_SAID = 100;
/** Commands of a room that wait; more are not run, and the room is told. */
const MOST_WAITING = 50;

/** Their answers need no API server, and so wait for nobody. */
export const AT_ONCE: ReadonlySet<Verb> = new Set(["help", "unknown", "refused"]);

export type IntakeOptions = {
  readonly access: Access;
  readonly clock: Pick<Clock, "now">;
  readonly metrics: Pick<BotMetrics, "refused">;
  /** ECHO_MODE */
  readonly echo: boolean;
  readonly addressing: Addressing;
  readonly maxAgeMs: number;
  readonly toggles: Pick<Toggles, "find">;
  readonly journal: Pick<Journal, "add">;
  /** The commands that wait, by room. */
  readonly queue: Pick<KeyedQueue, "length">;
  readonly missed: Pick<MissedCommandNotices, "gather">;
  readonly own: Pick<OwnMessages, "has">;
  readonly openQuestions: Pick<OpenQuestions, "isAnswer" | "answer">;
  readonly approvals: Pick<Approvals, "concerns" | "take">;
};

export type Intake = {
  /** Whether a message is said to the bot. */
  concerns(message: Message): boolean;
  /**
   * Takes a message: when this returns it is in the journal, and a redelivery of it is known. It runs after that.
   * `resumed`: it comes from a sync that goes on from a stored position, so an old one was missed and is not just history.
   * @throws Error when the runner is closed or the store can't be written; the message is then not taken.
   */
  accept(message: Message, delivery: { readonly resumed: boolean }): void;
  /** Messages of a room can't be read, and there may be commands among them: the room is told, once for each `id`. */
  unread(room: string, id: string): void;
};

/** What `message` says to the bot; undefined where that is nothing. It asks nobody. */
const saidTo = (options: IntakeOptions, message: Message): string | undefined => {
  const { addressing, toggles, access, own, approvals } = options;
  const addressed = addressedText(message, addressing, {
    isOwn: (event) => own.has(event),
    isToggle: (name) => {
      const toggle = toggles.find(name);
      return toggle !== undefined && access.mayUse(toggle, message);
    },
  });
  return addressed ?? (approvals.concerns(message) ? message.text : undefined);
};

/** The line that may answer a question of the bot: where whole commands count unaddressed, a bare name does. */
const answerIn = (
  { addressing }: IntakeOptions,
  { text, context }: Message,
  said: string | undefined,
): string | undefined =>
  said ?? (addressing.mode === "mention" || context.replyTo !== undefined ? undefined : text.trim());

/** The command that a line is; one that is none keeps what was said. In a shared room its answer is short. */
const readCommand = (text: string, shared: boolean): Command => {
  const command = commandOf(text);
  return command.verb === "unknown"
    ? { ...command, said: shorten(text, MAX_SAID), ...(shared && { brief: true }) }
    : command;
};

/** What a message asks for; undefined where that is nothing of ours. */
const commandIn = (
  options: IntakeOptions,
  message: Message,
  said: string | undefined,
): Command | undefined => {
  const completed = options.openQuestions.answer(answerIn(options, message, said), message);
  return completed ?? (said === undefined ? undefined : readCommand(said, !message.context.direct));
};

const entryOf = (
  { room, sender, sentAt, authorship, context: { direct, thread } }: Message,
  verb: Verb,
  now: number,
): Omit<Entry, "sequence" | "step"> => ({
  ...{ at: now, room, sender, verb },
  // Clocks differ: a message from the future counts as sent now.
  sentAt: Math.min(sentAt, now),
  ...(thread !== undefined && { thread }),
  ...(!direct && { shared: true }),
  ...(authorship !== "plain" && { encrypted: true }),
});

/** What is to be run is given to `run`. */
export const createIntake = (options: IntakeOptions, run: (pending: Pending) => void): Intake => {
  const { access, clock, metrics, maxAgeMs, journal, queue, missed, openQuestions, approvals } = options;
  const echoOf = (text: string) => options.echo && { echo: `${ECHO} ${shorten(text, MAX_ECHO)}` };
  const whyNotRun = ({ at, sentAt, room }: Omit<Entry, "sequence" | "step">): string | undefined => {
    if (at - sentAt > maxAgeMs) return "too-old";
    return queue.length(room) >= MOST_WAITING ? "too-many" : undefined;
  };
  const addMissed = (id: string, entry: Omit<Entry, "sequence" | "step">, command?: Command): void => {
    const cited = command && { command: shorten(citedCommand(command), MAX_SAID) };
    if (journal.add(id, { ...entry, step: { state: "missed", ...cited } })) missed.gather();
  };
  const take = (message: Message, command: Command, resumed: boolean): void => {
    const { id } = message;
    const { verb } = command;
    const entry = entryOf(message, verb, clock.now());
    const why = whyNotRun(entry);
    if (why !== undefined) {
      metrics.refused(why);
      if (!AT_ONCE.has(verb) && (why === "too-many" || resumed)) addMissed(id, entry, command);
      return;
    }
    const step = { state: "accepted" as const, command, ...echoOf(message.text) };
    const added = journal.add(id, { ...entry, step });
    if (added !== undefined) run(added);
  };
  return {
    concerns(message) {
      const said = saidTo(options, message);
      const answer = answerIn(options, message, said);
      return said !== undefined || (answer !== undefined && openQuestions.isAnswer(answer, message));
    },
    accept(message, { resumed }) {
      if (!access.mayTalk(message.sender)) return metrics.refused("not-allowed");
      const said = saidTo(options, message);
      const answer = said === undefined ? undefined : approvals.take(message, said);
      // The next line ends a question, whatever it is.
      if (answer !== undefined) openQuestions.answer(undefined, message);
      if (answer === "taken") return;
      const command = answer ?? commandIn(options, message, said);
      if (command !== undefined) take(message, command, resumed);
    },
    unread(room, id) {
      const now = clock.now();
      addMissed(id, { at: now, room, sender: "", sentAt: now, verb: UNREAD });
    },
  };
};
