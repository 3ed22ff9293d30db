// SPDX-License-Identifier: Apache-2.0
// Tells a room when a Toggle's time is about to be over and when it is, and extends the time when somebody reacts to the first.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { lastSwitchOf } from "../kubernetes/last-switch.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import type { Clock, Timers } from "../time.ts";
import type { Access } from "./access.ts";
import type { Reaction } from "./chat.ts";
import type { Journal, Pending } from "./journal.ts";
import { expiredText, expiringText } from "./news-text.ts";
import type { RoomNews } from "./room-news.ts";
import { isOn, isSettled, untilOf } from "./state-text.ts";
import { isWatched, type SwitchRoom, type SwitchRooms } from "./switch-rooms.ts";

const MINUTE_MS = 60_000;
/** A time is warned of so long before its end, or a tenth of it where that is shorter. */
const BEFORE_MS = 10 * MINUTE_MS;
/** The end is told when it is off, or after so long. */
const OFF_WITHIN_MS = 2 * MINUTE_MS;
/** An end that is longer ago, while the bot was away, is no news any more. */
const LATE_MS = 10 * MINUTE_MS;
/** Timers of months are beyond what a timer of Node.js takes, and a clock can be set. */
const LOOK_MS = 60 * MINUTE_MS;
/** Without the length that somebody asked for. */
const DEFAULT_SECONDS = 3600;

export type ExpiryNewsOptions = {
  readonly toggles: Pick<Toggles, "find">;
  readonly rooms: SwitchRooms;
  readonly news: RoomNews;
  readonly access: Pick<Access, "mayUse">;
  readonly clock: Pick<Clock, "now">;
  readonly timers: Pick<Timers, "after">;
  readonly journal: Pick<Journal, "add" | "get">;
};

export type ExpiryNews = {
  /** Looks at a Toggle that may have changed. */
  look(name: string): void;
  /** Looks at all now, and then whenever a time comes. */
  start(): void;
  /** Somebody reacted with 👍 to the event `warning`. */
  extend(warning: string, by: Reaction): void;
};

type Timer = NonNullable<SwitchRoom["timer"]>;

/** spec.until of a Toggle that goes off then. */
const runningUntil = (toggle: Toggle): string | undefined =>
  toggle.spec.enabled === false || untilOf(toggle) === undefined ? undefined : toggle.spec.until;

/** When a timer is to be warned of. Milliseconds since the epoch. */
const warningAt = ({ until, since }: Timer): number => {
  const end = Date.parse(until);
  return end - Math.min(BEFORE_MS, (end - since) / 10);
};

/** An extension goes to `run`, as a command does. */
export const createExpiryNews = (options: ExpiryNewsOptions, run: (pending: Pending) => void): ExpiryNews =>
  new Expiry(options, run);

class Expiry implements ExpiryNews {
  readonly #options: ExpiryNewsOptions;
  readonly #run: (pending: Pending) => void;
  #cancel = () => {};

  constructor(options: ExpiryNewsOptions, run: (pending: Pending) => void) {
    this.#options = options;
    this.#run = run;
  }

  look(name: string): void {
    this.#lookAt(name);
    this.#wait();
  }

  start(): void {
    for (const name of this.#options.rooms.names()) this.#lookAt(name);
    this.#wait();
  }

  extend(warning: string, source: Reaction): void {
    const { rooms, toggles, access, clock, journal } = this.#options;
    const name = rooms.names().find((one) => rooms.get(one)?.timer?.warning === warning);
    const { place, timer } = (name === undefined ? undefined : rooms.get(name)) ?? {};
    const toggle = name === undefined ? undefined : toggles.find(name);
    if (name === undefined || toggle === undefined || timer === undefined || place === undefined) return;
    if (place.room !== source.room || !access.mayUse(toggle, source)) return;
    const now = clock.now();
    if (now >= Date.parse(timer.until)) return;
    const { until, seconds = DEFAULT_SECONDS } = timer;
    // Under the id of what was reacted to: a time is extended once, whoever reacts, and how often that is delivered. Where that
    // came to nothing, since the time is the same still, another reaction tries again.
    const id = journal.get(warning)?.step.state === "done" ? source.id : warning;
    const { room, sender, authorship } = source;
    const entry = { at: now, room, sender, sentAt: now, verb: "extend" };
    const added = journal.add(id, {
      ...entry,
      ...((place.shared === true || sender !== place.user) && { shared: true }),
      ...(authorship !== "plain" && { encrypted: true }),
      ...(place.thread !== undefined && { thread: place.thread }),
      step: { state: "accepted", command: { verb: "extend", toggle: name, from: until, seconds } },
    });
    if (added === undefined) return;
    if (id !== source.id) journal.add(source.id, { ...entry, step: { state: "done", edits: 0 } });
    this.#run(added);
  }

  /** The timer of a Toggle as it is now, of which its room is to be told. */
  #timerOf(name: string, toggle: Toggle, room: SwitchRoom): Timer | undefined {
    const { rooms, clock } = this.#options;
    const until = runningUntil(toggle);
    if (until === room.timer?.until) return room.timer;
    // What the bot itself has set is noted when that is answered.
    const isOthers = isWatched(toggle) && lastSwitchOf(toggle)?.kind !== "chat";
    if (until === undefined || !isOthers || Date.parse(until) <= clock.now()) return undefined;
    // It counts from when it is seen.
    const timer = { until, since: clock.now() };
    rooms.update(name, room.uid, (before) => ({ ...before, timer }));
    return timer;
  }

  #lookAt(name: string): void {
    const { rooms, toggles, clock } = this.#options;
    const room = rooms.get(name);
    const toggle = toggles.find(name);
    if (room === undefined || toggle === undefined || toggle.metadata.uid !== room.uid) return;
    const timer = this.#timerOf(name, toggle, room);
    if (timer === undefined || timer.ended === true) return;
    const now = clock.now();
    const end = Date.parse(timer.until);
    if (now >= end) this.#end(toggle, room, timer);
    else if (timer.warning === undefined && now >= warningAt(timer)) this.#warn(toggle, room, timer);
  }

  #warn(toggle: Toggle, { uid, place }: SwitchRoom, timer: Timer): void {
    const { toggles, news, clock } = this.#options;
    const { name } = toggle.metadata;
    const { until, seconds = DEFAULT_SECONDS } = timer;
    const end = Date.parse(until);
    const text = () => {
      const found = toggles.find(name);
      const isNews = found !== undefined && runningUntil(found) === until && clock.now() < end;
      return isNews ? expiringText(found, seconds, clock.now()) : undefined;
    };
    const item = { toggle, place, key: `${uid} ${until}`, forMs: end - clock.now(), text };
    news.tell({ ...item, part: "expiring" }, (event = "") =>
      this.#note(name, uid, until, { warning: event }),
    );
  }

  #end(toggle: Toggle, { uid, place }: SwitchRoom, { until }: Timer): void {
    const { toggles, news, clock } = this.#options;
    const { name } = toggle.metadata;
    const end = Date.parse(until);
    const now = clock.now();
    const ended = () => this.#note(name, uid, until, { ended: true });
    if (now >= end + LATE_MS) {
      ended();
      return;
    }
    const isOff = isSettled(toggle, now) && !isOn(toggle, now);
    if (!isOff && now < end + OFF_WITHIN_MS) return;
    const text = () => {
      const found = toggles.find(name);
      const isNews = found !== undefined && runningUntil(found) === until;
      return isNews && clock.now() < end + LATE_MS ? expiredText(found, clock.now()) : undefined;
    };
    news.tell({ toggle, place, key: `${uid} ${until}`, part: "expired", forMs: LATE_MS, text }, ended);
  }

  #note(name: string, uid: string, until: string, what: Partial<Timer>): void {
    this.#options.rooms.update(name, uid, (room) =>
      room.timer?.until === until ? { ...room, timer: { ...room.timer, ...what } } : room,
    );
  }

  /** Looks again when the next time comes. */
  #wait(): void {
    const { rooms, clock, timers } = this.#options;
    const now = clock.now();
    const next = rooms.names().flatMap((name) => {
      const timer = rooms.get(name)?.timer;
      if (timer === undefined || timer.ended === true) return [];
      const end = Date.parse(timer.until);
      return [warningAt(timer), end, end + OFF_WITHIN_MS].filter((time) => time > now);
    });
    this.#cancel();
    this.#cancel = timers.after(Math.min(LOOK_MS, ...next.map((time) => time - now)), () => this.start());
  }
}
