// SPDX-License-Identifier: Apache-2.0
// Sends the one answer to each command, journalled before each step, and updates it when a user reacts to it.
import { ownProperty } from "../../hooks/formats.ts";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import type { Clock } from "../time.ts";
import type { Access, CommandSource } from "./access.ts";
import { listText, statusOfAllText, statusText } from "./answers.ts";
import type { Chat, Thread } from "./chat.ts";
import type { Decision } from "./execute.ts";
import type { Entry, FollowedToggle, Journal, Line, Step } from "./journal.ts";
import type { BotMetrics } from "./metrics.ts";
import { type Sending, type SettledText, settledText, transactionOf } from "./outbox.ts";
import type { Progress } from "./progress.ts";
import { FOLLOWED_MS } from "./sight.ts";
import { isAsAsked, isSettled } from "./state-text.ts";
import type { SwitchRooms } from "./switch-rooms.ts";
import { visibleTo } from "./toggle-choice.ts";

const ANSWER_FOR_MS = 3_600_000;

type Decided = Extract<Step, { state: "decided" }>;
type Answered = Extract<Step, { state: "answered" }>;

/** A pino logger is one. No text of a message is ever given to it. */
export type CommandLog = {
  readonly [level in "info" | "warn" | "error"]: (fields: object, message: string) => void;
};

/** The thread of the message `id`, in which its answer stays. */
export const threadOf = (id: string, { thread }: Pick<Entry, "thread">): Thread | undefined =>
  thread === undefined ? undefined : { root: thread, after: id };

export type AnsweringOptions = {
  readonly chat: Pick<Chat, "send">;
  readonly access: Pick<Access, "mayUse">;
  readonly clock: Clock;
  readonly journal: Pick<Journal, "step">;
  readonly sending: Sending;
  readonly progress: Progress;
  readonly rooms: Pick<SwitchRooms, "switched">;
  readonly metrics: Pick<BotMetrics, "command" | "patched" | "answered">;
  readonly logger: Pick<CommandLog, "info" | "warn">;
};

/** A decision as a part of an answer. `toggle`: the one that it is about. */
type DecidedLine = { readonly line: Line; readonly toggle?: string };

export type Answering = {
  /** Counts and logs a decision, which is about to be written down. */
  line(entry: Entry, decision: Decision): DecidedLine;
  /** Writes down what an answer will be. */
  decide(id: string, lines: readonly DecidedLine[]): Decided;
  /** Sends the answer of what was decided, and follows what was switched. `again`: it may have been sent before a restart. */
  answer(id: string, entry: Entry, decided: Decided, again?: boolean): Promise<void>;
  /** Goes on with an answer that was sent. `shown`: its text, where that is known. */
  follow(id: string, entry: Entry, answered: Omit<Answered, "state">, shown?: string): void;
};

/** The answers that a reaction brings up to date beside those about one Toggle, by the verb of the command. */
const REFRESHED: Readonly<
  Record<string, (visible: readonly Toggle[], now: number, defaultName: string) => string>
> = {
  status: (visible, now) => statusOfAllText(visible, now),
  list: (visible, now, defaultName) => listText(visible, defaultName, now),
};

/** What an answer about a switch follows from now on; undefined where nothing is to come. */
const followingOf = (verb: string, switched: Toggle, now: number): FollowedToggle | undefined => {
  if (isSettled(switched, now)) return undefined;
  const { name, generation = 0 } = switched.metadata;
  // A restart replaces what is running.
  const unchanged = verb !== "restart" && isAsAsked(switched, now);
  return { toggle: name, generation, endsAt: now + FOLLOWED_MS, ...(unchanged && { unchanged }) };
};

const textOf = ({ lines }: Pick<Decided, "lines">): string => lines.map(({ text }) => text).join("\n");

export const createAnswering = (options: AnsweringOptions): Answering => {
  const { chat, access, clock, journal, sending, progress, rooms, metrics, logger } = options;

  const follow: Answering["follow"] = (id, entry, { answer, lines, edits, said = false }, shown) => {
    const { room, sender } = entry;
    const thread = threadOf(id, entry);
    progress.follow({
      id,
      answer: { room, id: answer },
      lines,
      edits,
      said,
      user: sender,
      ...(thread !== undefined && { thread }),
      ...(shown !== undefined && { shown }),
      mayUse: (toggle) => access.mayUse(toggle, { sender, room }),
    });
  };

  /** An answer may have to wait for long: it then says how its Toggle is by then. */
  const newestText = (decided: Decided) => {
    const text = textOf(decided);
    const newest = () => progress.textOf(decided.lines);
    const before = newest();
    return () => {
      const now = newest();
      return now === before ? text : (now ?? text);
    };
  };

  const send = (id: string, entry: Entry, { text }: Pick<SettledText, "text">) =>
    chat.send(entry.room, () => text() ?? "", transactionOf(id, "answer"), threadOf(id, entry));

  const giveUp = (id: string, { room, sender, verb }: Entry): void => {
    if (sending.stopped) return;
    if (!sending.isRefused(room)) {
      logger.warn({ verb, room, sender }, "an answer could not be sent, and is given up");
    }
    journal.step(id, { state: "done", edits: 0 });
  };

  return {
    follow,
    line(entry, { outcome, text, toggle, switched }) {
      const { verb, room, sender, sentAt } = entry;
      const now = clock.now();
      const following = switched && followingOf(verb, switched, now);
      const named = toggle === undefined ? {} : { toggle };
      metrics.command(verb, outcome);
      if (switched !== undefined) metrics.patched(now - sentAt);
      logger.info({ verb, outcome, room, sender, ...named }, "command");
      // Answers to earlier commands for it say their last word.
      if (switched !== undefined) {
        progress.seen(switched);
        rooms.switched(entry, switched);
      }
      return { line: { text, ...(following !== undefined && { following }) }, ...named };
    },
    decide(id, lines) {
      const [first, ...others] = lines;
      const toggle = others.length === 0 ? first?.toggle : undefined;
      const decided: Decided = {
        state: "decided",
        lines: lines.map(({ line }) => line),
        ...(toggle !== undefined && { toggle }),
      };
      journal.step(id, decided);
      return decided;
    },
    async answer(id, entry, decided, again = false) {
      const { room, verb, sentAt } = entry;
      const { toggle, lines } = decided;
      const settled = settledText(again ? () => textOf(decided) : newestText(decided));
      const what = { part: "answer", room, forMs: ANSWER_FOR_MS } as const;
      const sent = await sending.attempt(what, () => settled.attempt(() => send(id, entry, settled)));
      if (sent === undefined) return giveUp(id, entry);
      metrics.answered(clock.now() - sentAt);
      if (lines.some(({ following }) => following !== undefined)) {
        const answered = { answer: sent.id, lines, edits: 0 };
        journal.step(id, { state: "answered", ...answered });
        return follow(id, entry, answered, again ? undefined : settled.last);
      }
      const isRefreshed = toggle !== undefined || Object.hasOwn(REFRESHED, verb);
      const shown = { id: sent.id, ...(toggle !== undefined && { toggle }) };
      journal.step(id, { state: "done", edits: 0, ...(isRefreshed && { shown }) });
    },
  };
};

const EDIT_FOR_MS = 10_000;
const BETWEEN_MS = 1_000;

export type RefreshOptions = {
  readonly toggles: Pick<Toggles, "list" | "find" | "state">;
  readonly access: Access;
  readonly clock: Clock;
  readonly chat: Pick<Chat, "edit">;
  readonly sending: Sending;
  readonly journal: Journal;
  readonly defaultName: string;
};

/** Edits the answer with the event id `answer`, as `source` may see it; nothing happens where it is not to be refreshed. */
export type Refresh = (answer: string, source: CommandSource) => Promise<void>;

export const createRefresh = (options: RefreshOptions): Refresh => {
  const { toggles, access, clock, chat, sending, journal, defaultName } = options;
  /** When each answer was last refreshed. */
  const last = new Map<string, number>();
  const textFor = (verb: string, name: string | undefined, source: CommandSource): string | undefined => {
    const now = clock.now();
    if (name !== undefined) {
      const toggle = toggles.find(name);
      return toggle !== undefined && access.mayUse(toggle, source) ? statusText(toggle, now) : undefined;
    }
    return ownProperty(REFRESHED, verb)?.(visibleTo(options, source), now, defaultName);
  };
  return async (answer, source) => {
    const now = clock.now();
    for (const [key, at] of last) if (now - at >= BETWEEN_MS) last.delete(key);
    if (!access.mayTalk(source.sender) || last.has(answer) || !toggles.state().ok) return;
    const found = journal.answeredBy(answer);
    // An answer that is being followed is up to date.
    if (found?.entry.room !== source.room || found.entry.step.state !== "done") return;
    const { id, entry } = found;
    const { step } = found.entry;
    const text = textFor(entry.verb, step.shown?.toggle, source);
    if (text === undefined) return;
    last.set(answer, now);
    const edits = step.edits + 1;
    journal.step(id, { ...step, edits });
    await sending.attempt({ part: "edit", room: entry.room, forMs: EDIT_FOR_MS }, () =>
      chat.edit({ room: entry.room, id: answer }, text, transactionOf(id, `edit-${edits}`)),
    );
  };
};
