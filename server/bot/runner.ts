// SPDX-License-Identifier: Apache-2.0
// Runs the commands of a chat from the journal, each once, and resumes them after a restart.
import type { Toggles } from "../kubernetes/toggles.ts";
import { createKeyedQueue } from "../queue.ts";
import { type Clock, createTimers } from "../time.ts";
import type { Access } from "./access.ts";
import type { Addressing } from "./addressing.ts";
import type { Chat } from "./chat.ts";
import { type Decision, finishSwitch, lateDecision, runQuery, runSwitch } from "./execute.ts";
import { AT_ONCE, createIntake, ECHO, type Intake } from "./intake.ts";
import { type Entry, openJournal, type Pending, type Step } from "./journal.ts";
import type { BotMetrics } from "./metrics.ts";
import { createMissedCommandNotices, createRateLimitedNotices, type RateLimitedNotices } from "./notices.ts";
import { createSending, type Sending, type SendReport, transactionOf } from "./outbox.ts";
import { type OwnMessages, openOwnMessages } from "./own-messages.ts";
import { createProgress } from "./progress.ts";
import { type CommandLog, createAnswering, createRefresh, type Refresh } from "./replies.ts";
import type { BotStore } from "./store.ts";
import { withReadYourWrites } from "./toggle-choice.ts";

const ECHO_FOR_MS = 5_000;
/** The next command of a room waits this long for the answer to the one before, so that answers keep their order. */
const ORDER_MS = 2_000;
const FORGET_MS = 3_600_000;
/** What takes longer is in the journal. With the connection's own end it has to stay within the drain of listening-role.ts. */
const CLOSE_MS = 8_000;

export type RunnerOptions = {
  readonly store: BotStore;
  readonly chat: Chat;
  readonly toggles: Toggles;
  readonly access: Access;
  readonly clock: Clock;
  /** The Toggle that is meant where a command names none: DEPLOYMENT_NAME. */
  readonly defaultName: string;
  /** COMMAND_MAX_AGE_SECONDS */
  readonly maxAgeSeconds: number;
  /** ECHO_MODE */
  readonly echo: boolean;
  readonly addressing: Addressing;
  /** TIME_ZONE */
  readonly timeZone: string;
  readonly metrics: Pick<BotMetrics, "command" | "patched" | "answered" | "refused" | "sendRefused">;
  readonly logger: CommandLog;
  /** Told of each try to send something. */
  readonly onSend?: (report: SendReport) => void;
};

export type CommandRunner = Intake & {
  /** Of a message that can't be decrypted, or that came unencrypted to an encrypted room. */
  readonly tell: RateLimitedNotices["tell"];
  /** Of a reaction 🔄 on an answer of ours. */
  readonly refresh: Refresh;
  /** Goes on with what the journal holds; to be called once, before the first message. */
  start(): void;
  /** When nothing is under way but progress. */
  idle(): Promise<void>;
  /** Ends what is under way, within seconds; the rest stays in the journal. The store can be closed after it. */
  close(): Promise<void>;
};

/** Work that nobody waits for, but whose end can be awaited. */
type Tasks = {
  track(work: Promise<void>): void;
  /** When nothing is under way. */
  idle(): Promise<void>;
};

/** `onFault` is told of work that threw, which is a bug or a store that can't be written. */
const createTasks = (onFault: (error: unknown) => void): Tasks => {
  const running = new Set<Promise<void>>();
  return {
    track(work) {
      const tracked: Promise<void> = work.catch(onFault).finally(() => running.delete(tracked));
      running.add(tracked);
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
};

/** `chat`, of which each message that was sent is kept. */
const keeping = (chat: Chat, own: OwnMessages): Chat => ({
  ...chat,
  async send(room, text, transaction, thread) {
    const sent = await chat.send(room, text, transaction, thread);
    own.keep(sent.id);
    if (thread !== undefined) own.keep(thread.root);
    return sent;
  },
});

/** A room in which the bot may not speak is told of once, until it may again. */
const tellUnsent = ({ metrics, logger }: RunnerOptions, sending: Sending, report: SendReport): void => {
  if (report.code !== undefined) metrics.sendRefused(report.code);
  if (report.outcome === "sent" || (report.outcome === "refused" && sending.isRefused(report.room))) return;
  const said =
    report.outcome === "refused" ? "the bot may not speak in a room" : "the chat did not take a message";
  logger.warn(report, said);
};

const createParts = (options: RunnerOptions, isClosed: () => boolean) => {
  const { access, clock, metrics, logger, defaultName } = options;
  const own = openOwnMessages(options.store, clock);
  const chat = keeping(options.chat, own);
  const maxAgeMs = options.maxAgeSeconds * 1000;
  const toggles = withReadYourWrites(options.toggles);
  const journal = openJournal({
    store: options.store,
    maxAgeMs,
    isClosed,
    onUnreadable: (key) => logger.warn({ key }, "an entry of the journal can't be read, and is left out"),
  });
  const sending = createSending(clock, (report) => {
    tellUnsent(options, sending, report);
    options.onSend?.(report);
  });
  const { track, idle } = createTasks((err) => {
    if (!isClosed()) logger.error({ err }, "a command failed inside");
  });
  const progress = createProgress({ toggles, clock, chat, sending, journal, track });
  return {
    ...{ maxAgeMs, toggles, own, chat, journal, sending, track, idle, progress },
    timers: createTimers(clock),
    /** By room. */
    queue: createKeyedQueue(),
    answering: createAnswering({ chat, access, clock, journal, sending, progress, metrics, logger }),
    missed: createMissedCommandNotices({ chat, clock, sending, journal, track }),
    notes: createRateLimitedNotices({ chat, clock, access, sending, maxAgeMs, track }),
    refresh: createRefresh({ toggles, access, clock, chat, sending, journal, defaultName }),
    context: { toggles, access, clock, defaultName, timeZone: options.timeZone },
  };
};
type Parts = ReturnType<typeof createParts>;

/** Waits for `work`, but no longer than `ms`. */
const atMost = async ({ timers }: Parts, ms: number, work: Promise<unknown>): Promise<void> => {
  const patience = Promise.withResolvers<void>();
  const cancel = timers.after(ms, patience.resolve);
  await Promise.race([work.catch(() => {}), patience.promise]);
  cancel();
};

/** Runs what has not been decided. */
const createRunning = ({ access, clock }: RunnerOptions, parts: Parts) => {
  const { maxAgeMs, chat, journal, sending, track, queue, answering, context } = parts;
  const isLate = ({ sentAt }: Entry): boolean => clock.now() - sentAt > maxAgeMs;

  const startEcho = (id: string, entry: Entry, text: string | undefined): Promise<unknown> => {
    if (text === undefined) return Promise.resolve();
    const { room, shared } = entry;
    const transaction = transactionOf(id, "echo");
    return sending.attempt({ part: "echo", room, forMs: ECHO_FOR_MS }, () =>
      shared === true ? chat.react({ room, id }, ECHO, transaction) : chat.echo(room, text, transaction),
    );
  };

  const runAccepted = (
    id: string,
    entry: Entry,
    { command }: Extract<Step, { state: "accepted" }>,
  ): Promise<Decision> => {
    if (isLate(entry) && !AT_ONCE.has(command.verb)) {
      return Promise.resolve(lateDecision(command.verb, "toggle" in command ? command.toggle : undefined));
    }
    return command.verb === "start" || command.verb === "stop"
      ? runSwitch(context, command, entry, (begun) => journal.step(id, { state: "begun", begun }))
      : runQuery(context, command, entry);
  };

  const runEntry = async ({ id, entry }: Pending): Promise<void> => {
    const { step, verb, sender } = entry;
    if (sending.stopped || (step.state !== "accepted" && step.state !== "begun")) return;
    // The list of users may be another since the restart.
    if (!access.mayTalk(sender)) return journal.step(id, { state: "done", edits: 0 });
    const echo = step.state === "accepted" && !isLate(entry) ? step.echo : undefined;
    const echoed = startEcho(id, entry, echo);
    const decision = await (step.state === "accepted"
      ? runAccepted(id, entry, step)
      : finishSwitch(context, verb, step.begun, entry, () => isLate(entry)));
    const decided = answering.decide(id, entry, decision);
    const answered = echoed.then(() => answering.answer(id, entry, decided));
    track(answered);
    await atMost(parts, ORDER_MS, answered);
  };

  return (pending: Pending): void => {
    const { step, room } = pending.entry;
    // Both begin after this turn, and so after the transaction that the caller may be in.
    if (step.state !== "accepted" || !AT_ONCE.has(step.command.verb)) {
      track(queue.run(room, () => runEntry(pending)));
    } else track(Promise.resolve().then(() => runEntry(pending)));
  };
};

/** Goes on with what the journal holds from before. */
const resume = ({ journal, answering, track }: Parts, run: (pending: Pending) => void): void => {
  for (const pending of journal.pending()) {
    const { id, entry } = pending;
    const { step } = entry;
    if (step.state === "decided") track(answering.answer(id, entry, step, true));
    else if (step.state === "answered") answering.follow(id, entry, step);
    else run(pending);
  }
};

export const createRunner = (options: RunnerOptions): CommandRunner => {
  let closed = false;
  const parts = createParts(options, () => closed);
  const { journal, sending, track, idle, progress, missed, notes, refresh, timers } = parts;
  const run = createRunning(options, parts);
  const forgetRegularly = () => {
    track((async () => journal.forget(options.clock.now()))());
    timers.after(FORGET_MS, forgetRegularly);
  };
  return {
    ...createIntake({ ...options, ...parts }, run),
    tell: notes.tell,
    refresh,
    start() {
      resume(parts, run);
      missed.gather();
      forgetRegularly();
    },
    idle,
    async close() {
      sending.stop();
      progress.close();
      missed.close();
      notes.close();
      await atMost(parts, CLOSE_MS, idle());
      timers.clear();
      closed = true;
    },
  };
};
