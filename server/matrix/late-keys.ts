// SPDX-License-Identifier: Apache-2.0
// Queues events that can't be decrypted yet, persistently: their room key may arrive a few seconds later.
import { Type } from "@sinclair/typebox";
import type { BotStore } from "../bot/store.ts";
import { compileSchema } from "../http/validation.ts";
import { type TimelineEvent, timelineEvent } from "./sync-response.ts";

/** How long a key is waited for before the sender is asked to send again. */
export const KEY_WAIT_MS = 5_000;

/** More are given up at once. */
const MOST_WAITING = 100;

export type Undecrypted = { readonly room: string; readonly event: TimelineEvent; readonly resumed: boolean };

export type LateKeys = {
  /** Keeps an event; false where there are too many. */
  add(undecrypted: Undecrypted): boolean;
  waiting(): readonly Undecrypted[];
  /** It was decrypted. */
  remove(eventId: string): void;
  /** Removes and answers those that have waited long enough. */
  expired(): Undecrypted[];
  /** Milliseconds until the next one has waited long enough; undefined when none waits. */
  nextIn(): number | undefined;
  /** Writes those that wait; to be called in the transaction that writes the sync's token. */
  save(): void;
};

const Saved = compileSchema(
  Type.Array(Type.Object({ room: Type.String(), resumed: Type.Boolean(), event: Type.Unknown() })),
);
const KEY = "undecrypted";

/** @param now milliseconds, monotonic */
export const createLateKeys = (store: BotStore, now: () => number): LateKeys => {
  const held = new Map<string, Undecrypted & { since: number }>();
  for (const each of load(store)) held.set(each.event.event_id, { ...each, since: now() });

  return {
    add(undecrypted) {
      if (held.has(undecrypted.event.event_id)) return true;
      if (held.size >= MOST_WAITING) return false;
      held.set(undecrypted.event.event_id, { ...undecrypted, since: now() });
      return true;
    },
    waiting: () => [...held.values()],
    remove(eventId) {
      held.delete(eventId);
    },
    expired() {
      const over = [...held.values()].filter(({ since }) => now() - since >= KEY_WAIT_MS);
      for (const { event } of over) held.delete(event.event_id);
      return over;
    },
    nextIn() {
      const [oldest] = held.values();
      return oldest && Math.max(0, KEY_WAIT_MS - (now() - oldest.since));
    },
    save() {
      const all = [...held.values()].map(({ room, resumed, event }) => ({ room, resumed, event }));
      if (all.length > 0) store.put("sync", KEY, JSON.stringify(all));
      else if (store.get("sync", KEY) !== undefined) store.delete("sync", KEY);
    },
  };
};

const load = (store: BotStore): Undecrypted[] => {
  const bytes = store.get("sync", KEY);
  if (bytes === undefined) return [];
  const saved: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
  if (!Saved.Check(saved)) return [];
  return saved.flatMap(({ event, ...rest }) => (timelineEvent.Check(event) ? [{ ...rest, event }] : []));
};
