// SPDX-License-Identifier: Apache-2.0
// Remembers which room switched each Toggle last, and what that room knows of it, over restarts.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { jsonOf } from "../json.ts";
import type { Clock } from "../time.ts";
import type { Entry } from "./journal.ts";
import { isOn, untilOf } from "./state-text.ts";
import type { BotStore } from "./store.ts";

/** "true": what others change is told in the room that switched the Toggle last. */
export const NOTIFY_ANNOTATION = "toggle.j5t.io/notify";

/** Whether the room that switched `toggle` last is to be told what others change. */
export const isWatched = ({ metadata }: Toggle): boolean =>
  metadata.annotations?.[NOTIFY_ANNOTATION] === "true";

/** Who switched a Toggle, and where: `thread` is the event that the command's thread began with; `shared`: others are there. */
const Place = Type.Object({
  room: Type.String(),
  user: Type.String(),
  thread: Type.Optional(Type.String()),
  shared: Type.Optional(Type.Boolean()),
});
export type Place = Static<typeof Place>;

/** A time after which it goes off. Times in ms since the epoch, `until` as the spec has it. */
const Timer = Type.Object({
  until: Type.String(),
  since: Type.Number(),
  /** How long it was to be on by the command, in seconds. */
  seconds: Type.Optional(Type.Integer({ minimum: 1 })),
  /** The event that told of its end beforehand; empty where it could not be sent. */
  warning: Type.Optional(Type.String()),
  /** Its end was told. */
  ended: Type.Optional(Type.Boolean()),
});
type Timer = Static<typeof Timer>;

const SwitchRoom = Type.Object({
  uid: Type.String(),
  place: Place,
  /** Another room that switched it before, and is to be told. */
  before: Type.Optional(Place),
  /** What the room knows: the switch in the spec, and whether it was on. */
  known: Type.Object({ switch: Type.String(), on: Type.Boolean() }),
  timer: Type.Optional(Timer),
});
export type SwitchRoom = Static<typeof SwitchRoom>;

/** The fields of a switch, as one text. */
export const switchOf = ({ spec }: Toggle): string =>
  JSON.stringify([spec.enabled ?? null, spec.until ?? null, spec.replicas ?? null]);

/** What a room knows of `toggle` when it has been told of it. `now`: ms since the epoch. */
export const knownOf = (toggle: Toggle, now: number): SwitchRoom["known"] => ({
  switch: switchOf(toggle),
  on: isOn(toggle, now),
});

/** The time of `toggle`, where it has one that is still to come. */
const timerOf = (verb: string, toggle: Toggle, before: Timer | undefined, now: number): Timer | undefined => {
  const until = untilOf(toggle);
  if (until === undefined || until <= now || toggle.spec.enabled === false) return undefined;
  const whole = Math.max(60, 60 * Math.round((until - now) / 60_000));
  // What was extended was by the length that it had.
  const seconds = verb === "extend" ? before?.seconds : whole;
  return { until: toggle.spec.until ?? "", since: now, ...(seconds !== undefined && { seconds }) };
};

export type SwitchRooms = {
  get(name: string): SwitchRoom | undefined;
  names(): string[];
  /** Notes that a command of `entry` has switched `toggle`. */
  switched(entry: Pick<Entry, "verb" | "room" | "sender" | "thread" | "shared">, toggle: Toggle): void;
  /** Changes what is remembered; nothing where that is of another Toggle by now. */
  update(name: string, uid: string, change: (before: SwitchRoom) => SwitchRoom): void;
  /** The Toggle is gone. */
  remove(name: string): void;
  /** Calls `listener` after each command that has switched. */
  subscribe(listener: (name: string) => void): void;
};

const AREA = "switches";

/** Reads what is in the store; nobody else may write to its area. */
export const openSwitchRooms = (store: BotStore, clock: Pick<Clock, "now">): SwitchRooms =>
  new StoredRooms(store, clock);

class StoredRooms implements SwitchRooms {
  readonly #store: BotStore;
  readonly #clock: Pick<Clock, "now">;
  readonly #rooms = new Map<string, SwitchRoom>();
  readonly #listeners: ((name: string) => void)[] = [];

  constructor(store: BotStore, clock: Pick<Clock, "now">) {
    this.#store = store;
    this.#clock = clock;
    for (const [name, bytes] of store.entries(AREA)) {
      const value = jsonOf(bytes);
      if (Value.Check(SwitchRoom, value)) this.#rooms.set(name, value);
    }
  }

  get(name: string): SwitchRoom | undefined {
    return this.#rooms.get(name);
  }

  names(): string[] {
    return [...this.#rooms.keys()];
  }

  switched(entry: Parameters<SwitchRooms["switched"]>[0], toggle: Toggle): void {
    const { verb, room, sender, thread, shared } = entry;
    // A restart leaves who switched it, and for how long, as it was.
    if (verb === "restart") return;
    const { name, uid } = toggle.metadata;
    const now = this.#clock.now();
    const last = this.#rooms.get(name);
    const before = last?.uid === uid ? last : undefined;
    // A room that has not been told yet of the switch before is told of this one.
    const untold = before?.place.room === room ? before.before : before?.place;
    const timer = timerOf(verb, toggle, before?.timer, now);
    this.#put(name, {
      uid,
      place: {
        ...{ room, user: sender },
        ...(thread !== undefined && { thread }),
        ...(shared !== undefined && { shared }),
      },
      ...(untold !== undefined && untold.room !== room && { before: untold }),
      known: knownOf(toggle, now),
      ...(timer !== undefined && { timer }),
    });
    for (const listener of this.#listeners) listener(name);
  }

  update(name: string, uid: string, change: (before: SwitchRoom) => SwitchRoom): void {
    const before = this.#rooms.get(name);
    if (before?.uid === uid) this.#put(name, change(before));
  }

  remove(name: string): void {
    if (this.#rooms.delete(name)) this.#store.delete(AREA, name);
  }

  subscribe(listener: (name: string) => void): void {
    this.#listeners.push(listener);
  }

  #put(name: string, room: SwitchRoom): void {
    this.#rooms.set(name, room);
    // Where it is lost with the power, what it says is told again at the most.
    this.#store.put(AREA, name, JSON.stringify(room), "soon");
  }
}
