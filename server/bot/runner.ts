// SPDX-License-Identifier: Apache-2.0
// Runs the commands of a chat from the journal, each once, and resumes them after a restart.
import type { Toggles } from "../kubernetes/toggles.ts";
import { createKeyedQueue } from "../queue.ts";
import { type Clock, createTimers } from "../time.ts";
import type { Access } from "./access.ts";
import type { Addressing } from "./addressing.ts";
import { Approvals, lastWordOn } from "./approvals.ts";
import { createChangeNews } from "./change-news.ts";
import type { Chat, IncomingHandlers } from "./chat.ts";
import { createConfirmation, unconfirmedText } from "./confirmation.ts";
import { createExpiryNews, type ExpiryNews } from "./expiry-news.ts";
import { createIntake, type Intake } from "./intake.ts";
import { openJournal, type Pending } from "./journal.ts";
import type { BotMetrics } from "./metrics.ts";
import { createNewsPace } from "./news-pace.ts";
import { createMissedCommandNotices, createRateLimitedNotices, type RateLimitedNotices } from "./notices.ts";
import { createOpenQuestions } from "./open-questions.ts";
import { createSending, type Sending, type SendReport } from "./outbox.ts";
import { type OwnMessages, openOwnMessages } from "./own-messages.ts";
import { createProgress } from "./progress.ts";
import { createQuestions } from "./question.ts";
import { type CommandLog, createAnswering, createRefresh, type Refresh } from "./replies.ts";
import { createRoomNews } from "./room-news.ts";
import { createRunning } from "./running.ts";
import type { BotStore } from "./store.ts";
import { openSwitchRooms } from "./switch-rooms.ts";
import { withReadYourWrites } from "./toggle-choice.ts";

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
  /** Of a reaction 👍 on a question of ours. */
  readonly confirm: IncomingHandlers["onConfirm"];
  /** Of an event that was redacted. */
  readonly redacted: IncomingHandlers["onRedacted"];
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
  async tell(room, news, transaction, thread) {
    const sent = await chat.tell(room, news, transaction, thread);
    if (sent !== undefined) own.keep(sent.id);
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
  const rooms = openSwitchRooms(options.store, clock);
  const openQuestions = createOpenQuestions(clock, (name, source) => {
    const toggle = toggles.find(name);
    return toggle !== undefined && access.mayUse(toggle, source);
  });
  const timers = createTimers(clock);
  const missed = createMissedCommandNotices({ chat, clock, sending, journal, track });
  const questions = createQuestions(
    { chat, clock, timers, sending, journal, missed, track },
    (asking, entry) => lastWordOn({ toggles, access }, asking, entry) ?? unconfirmedText(asking.command),
  );
  return {
    ...{ maxAgeMs, toggles, own, chat, clock, journal, sending, track, idle, progress, timers, questions },
    ...{ openQuestions, rooms, missed },
    /** By room. */
    queue: createKeyedQueue(),
    answering: createAnswering({ chat, access, clock, journal, sending, progress, rooms, metrics, logger }),
    news: createRoomNews({ chat, access, sending, track }),
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

/** Looks at each Toggle that changes, or was switched, for what its room is to be told. Answers what ends that. */
const followNews = (
  { toggles, rooms, clock, timers, news, track }: Parts,
  expiry: ExpiryNews,
): { start(): void; close(): void } => {
  const pace = createNewsPace(clock, (name, ms) => void timers.after(ms, () => look(name)));
  const changes = createChangeNews({ toggles, rooms, news, pace, clock });
  const look = (name: string): void =>
    track(
      (async () => {
        changes.look(name);
        expiry.look(name);
      })(),
    );
  let unsubscribe = () => {};
  return {
    start() {
      rooms.subscribe(look);
      unsubscribe = toggles.subscribe(({ name }) => look(name));
      for (const name of rooms.names()) look(name);
      expiry.start();
    },
    close: () => unsubscribe(),
  };
};

/** Goes on with what the journal holds from before. */
const resume = (
  { journal, answering, questions, track }: Parts,
  approvals: Approvals,
  run: (pending: Pending) => void,
): void => {
  for (const pending of journal.pending()) {
    const { id, entry } = pending;
    const { step } = entry;
    approvals.resume(pending);
    if (step.state === "decided") track(answering.answer(id, entry, step, true));
    else if (step.state === "asking") questions.wait(id, entry, step);
    else if (step.state === "answered") answering.follow(id, entry, step);
    else run(pending);
  }
};

export const createRunner = (options: RunnerOptions): CommandRunner => {
  let closed = false;
  const parts = createParts(options, () => closed);
  const { journal, sending, track, idle, progress, missed, notes, refresh, timers } = parts;
  const run = createRunning({
    ...options,
    ...parts,
    confirmation: () => confirmation,
    approvals: () => approvals,
    atMost: (ms, work) => atMost(parts, ms, work),
  });
  const confirmation = createConfirmation(parts, run);
  const approvals = new Approvals({ ...options, ...parts }, run);
  const expiry = createExpiryNews({ ...parts, access: options.access }, run);
  const toggleNews = followNews(parts, expiry);
  const forgetRegularly = () => {
    track((async () => journal.forget(options.clock.now()))());
    timers.after(FORGET_MS, forgetRegularly);
  };
  return {
    ...createIntake({ ...options, ...parts, approvals }, run),
    tell: notes.tell,
    refresh,
    confirm(question, by) {
      confirmation.confirm(question, by);
      approvals.reacted(question, by);
      expiry.extend(question, by);
    },
    redacted: (room, event) => approvals.redacted(room, event),
    start() {
      resume(parts, approvals, run);
      missed.gather();
      toggleNews.start();
      forgetRegularly();
    },
    idle,
    async close() {
      sending.stop();
      progress.close();
      toggleNews.close();
      missed.close();
      notes.close();
      await atMost(parts, CLOSE_MS, idle());
      timers.clear();
      closed = true;
    },
  };
};
