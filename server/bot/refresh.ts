// SPDX-License-Identifier: Apache-2.0
// Brings an answer up to date because a user reacted to it; that never switches anything.

import type { Toggles } from "../kubernetes/toggles.ts";
import type { Clock } from "../time.ts";
import type { Access, Speaker } from "./access.ts";
import { listText, statusOfAllText, statusText } from "./answers.ts";
import type { Chat } from "./chat.ts";
import type { Journal } from "./journal.ts";
import type { Sending } from "./outbox.ts";
import { transactionOf } from "./outbox.ts";
import { visibleTo } from "./toggle-choice.ts";

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

/** Edits the answer with the event id `answer`, as `speaker` may see it; nothing happens where it is not to be refreshed. */
export type Refresh = (answer: string, speaker: Speaker) => Promise<void>;

export const createRefresh = (options: RefreshOptions): Refresh => {
  const { toggles, access, clock, chat, sending, journal, defaultName } = options;
  /** When each answer was last refreshed. */
  const last = new Map<string, number>();
  const textFor = (verb: string, name: string | undefined, speaker: Speaker): string | undefined => {
    const now = clock.now();
    if (name !== undefined) {
      const toggle = toggles.find(name);
      return toggle !== undefined && access.mayUse(toggle, speaker) ? statusText(toggle, now) : undefined;
    }
    if (verb === "list") return listText(visibleTo(options, speaker), defaultName, now);
    return verb === "status" ? statusOfAllText(visibleTo(options, speaker), now) : undefined;
  };
  return async (answer, speaker) => {
    const now = clock.now();
    for (const [key, at] of last) if (now - at >= BETWEEN_MS) last.delete(key);
    if (!access.mayTalk(speaker.sender) || last.has(answer) || !toggles.state().ok) return;
    const found = journal.answeredBy(answer);
    // An answer that is being followed is up to date.
    if (found?.entry.room !== speaker.room || found.entry.step.state !== "done") return;
    const { id, entry } = found;
    const { step } = found.entry;
    const text = textFor(entry.verb, step.shown?.toggle, speaker);
    if (text === undefined) return;
    last.set(answer, now);
    const edits = step.edits + 1;
    journal.step(id, { ...step, edits });
    await sending.attempt({ part: "edit", room: entry.room, forMs: EDIT_FOR_MS }, () =>
      chat.edit({ room: entry.room, id: answer }, text, transactionOf(id, `edit-${edits}`)),
    );
  };
};
