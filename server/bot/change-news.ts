// SPDX-License-Identifier: Apache-2.0
// Tells the room that switched a Toggle last what others have changed since: kubectl and other programs, its schedule, another room.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { previousStatus } from "../../hooks/toggle/status.ts";
import { lastSwitchOf } from "../kubernetes/last-switch.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import type { Clock } from "../time.ts";
import type { NewsPace } from "./news-pace.ts";
import { changedText, elsewhereText, scheduledText } from "./news-text.ts";
import type { RoomNews, RoomNewsItem } from "./room-news.ts";
import { isCurrent } from "./state-text.ts";
import { isWatched, knownOf, type SwitchRoom, type SwitchRooms, switchOf } from "./switch-rooms.ts";

/** A change that is longer ago, while the bot was away, is no news any more. */
const LATE_MS = 10 * 60_000;

export type ChangeNewsOptions = {
  readonly toggles: Pick<Toggles, "find" | "state">;
  readonly rooms: SwitchRooms;
  readonly news: RoomNews;
  readonly pace: NewsPace;
  readonly clock: Pick<Clock, "now">;
};

export type ChangeNews = {
  /** Looks at a Toggle that may have changed. */
  look(name: string): void;
};

/** Something that the room does not know. `at`: when it happened, where that is known (ms since the epoch). */
type Change = Pick<RoomNewsItem, "key" | "part"> & {
  readonly at: number | undefined;
  readonly text: (toggle: Toggle) => string;
};

/** What the API server's record says was switched by others; what the bot itself has switched it notes when that is answered. */
const specChange = (toggle: Toggle, { uid, known }: SwitchRoom, now: number): Change | undefined => {
  const last = lastSwitchOf(toggle);
  if (switchOf(toggle) === known.switch || last?.kind === "chat") return undefined;
  return {
    key: `${uid} ${toggle.metadata.generation}`,
    part: "changed",
    at: last?.at,
    text: (newest) => changedText(newest, known.on, now),
  };
};

/** What the schedule has switched, by the status of the spec as it is now. */
const scheduleChange = (toggle: Toggle, { uid, known }: SwitchRoom, now: number): Change | undefined => {
  const status = previousStatus(toggle);
  const { desiredReplicas = 0, decidedBy, nextChange, lastScaled } = status;
  const isOn = desiredReplicas > 0;
  if (decidedBy !== "Schedule" || isOn === known.on || !isCurrent(toggle, status)) return undefined;
  return {
    // The edge to come tells this one from those of other days.
    key: `${uid} ${isOn} ${nextChange?.time}`,
    part: "scheduled",
    at: lastScaled === undefined ? undefined : Date.parse(lastScaled.time),
    text: (newest) => scheduledText(newest, now),
  };
};

export const createChangeNews = ({ toggles, rooms, news, pace, clock }: ChangeNewsOptions): ChangeNews => {
  /** The room knows `toggle` as it is. */
  const note = (toggle: Toggle, { uid }: SwitchRoom): void =>
    rooms.update(toggle.metadata.name, uid, (room) => ({ ...room, known: knownOf(toggle, clock.now()) }));

  const tellChange = (toggle: Toggle, room: SwitchRoom, change: Change): void => {
    const { name } = toggle.metadata;
    const now = clock.now();
    if (!isWatched(toggle) || now - (change.at ?? now) >= LATE_MS) {
      note(toggle, room);
      return;
    }
    if (!pace.allows(name)) return;
    const isNews = (newest: Toggle) =>
      switchOf(newest) === switchOf(toggle) && rooms.get(name)?.place.room === room.place.room;
    const text = () => {
      const newest = toggles.find(name);
      return newest !== undefined && isNews(newest) ? change.text(newest) : undefined;
    };
    const { key, part } = change;
    news.tell({ toggle, place: room.place, key, part, forMs: LATE_MS, text }, (event) => {
      if (event !== undefined) pace.told(name);
      const newest = toggles.find(name);
      if (newest === undefined || rooms.get(name)?.known.switch !== room.known.switch) return;
      if (event !== undefined || isNews(newest)) note(toggle, room);
      // What was changed again meanwhile may be as the room knew it until now: it was no news then, and is since this was told.
      if (!isNews(newest)) look(name);
    });
  };

  const tellBefore = (toggle: Toggle, { uid, place, before }: SwitchRoom): void => {
    if (before === undefined) return;
    const { name, generation } = toggle.metadata;
    const forget = () =>
      rooms.update(name, uid, ({ before: left, ...room }) =>
        left === undefined || left.room === before.room ? room : { ...room, before: left },
      );
    if (!isWatched(toggle)) {
      forget();
      return;
    }
    const text = () => elsewhereText(toggle, place.user, clock.now());
    const key = `${uid} ${generation} ${before.room}`;
    news.tell({ toggle, place: before, key, part: "elsewhere", forMs: LATE_MS, text }, forget);
  };

  const look = (name: string): void => {
    const room = rooms.get(name);
    const toggle = toggles.find(name);
    if (room === undefined) return;
    const isGone = toggle === undefined && toggles.state().ok;
    if (isGone || (toggle !== undefined && toggle.metadata.uid !== room.uid)) rooms.remove(name);
    else if (toggle !== undefined) lookAt(toggle, room);
  };

  const lookAt = (toggle: Toggle, room: SwitchRoom): void => {
    tellBefore(toggle, room);
    const now = clock.now();
    const change = specChange(toggle, room, now) ?? scheduleChange(toggle, room, now);
    if (change !== undefined) {
      tellChange(toggle, room, change);
      return;
    }
    // What the schedule leaves as the room knows it, or a time that is over, is told elsewhere or was told.
    const isKnown = switchOf(toggle) === room.known.switch;
    if (isKnown && isCurrent(toggle, previousStatus(toggle)) && knownOf(toggle, now).on !== room.known.on) {
      note(toggle, room);
    }
  };

  return { look };
};
