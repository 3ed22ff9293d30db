// SPDX-License-Identifier: Apache-2.0
// Defines a Toggle's schedule: whether it says on at an instant, and the edges at which it takes the switch back from a command.
import { DAY_SECONDS } from "../rfc3339.ts";
import { type Interval, lastOf, nextOf, united, windowsAround } from "./recurrence.ts";
import type { Entry } from "./schedule-entry.ts";
import type { TimeZone } from "./time-zone.ts";

interface Zoned<E> {
  readonly zone: TimeZone;
  readonly entry: E;
}
type Window = Zoned<Extract<Entry, { kind: "window" }>>;
type Cron = Zoned<Extract<Entry, { kind: "cron" }>>;

/** All entries of a schedule, whichever element of spec.schedule they are of. */
export interface Rules {
  readonly windows: { readonly on: readonly Window[]; readonly off: readonly Window[] };
  readonly crons: { readonly on: readonly Cron[]; readonly off: readonly Cron[] };
}

/** Windows come again each week: within so many days of an instant each has begun and ended. */
const REACH_DAYS = 8;
const REACH = REACH_DAYS * DAY_SECONDS;
/** Windows are looked at so far around an instant that all is known within the reach of what is in its reach. */
const VIEW_DAYS = 2 * REACH_DAYS + 1;
/** So often a cron expression is looked for beyond windows that hide it. */
const MAX_HIDDEN = 64;

interface View {
  readonly center: number;
  readonly on: readonly Interval[];
  readonly off: readonly Interval[];
  /** When they begin and end, in order. */
  readonly bounds: readonly number[];
}

const holding = (intervals: readonly Interval[], instant: number): Interval | undefined =>
  intervals.find(({ start, end }) => start <= instant && instant < end);

const most = (pick: (...values: number[]) => number, found: readonly (number | undefined)[]) => {
  const known = found.filter((one) => one !== undefined);
  return known.length === 0 ? undefined : pick(...known);
};
const latest = (...found: (number | undefined)[]): number | undefined => most(Math.max, found);
const earliest = (...found: (number | undefined)[]): number | undefined => most(Math.min, found);

/**
 * A schedule over time; instants are seconds since the epoch. It has no beginning: what it says before it was written is what it
 * would have said. It keeps the windows around the instant that it was last asked about, which changes no answer.
 */
export class Schedule {
  readonly #rules: Rules;
  #view: View | undefined;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  /**
   * Inside a window of `off` it is off. Elsewhere the last of these counts, off where two come at once: a window of `on` began
   * (on), one ended (off), an expression of `on` (on) unless a window of `off` hides it, one of `off` (off). Windows that overlap
   * or touch are one. Where nothing but windows of `off` is given it is on outside them.
   */
  isOn(instant: number): boolean {
    const { on, off } = this.#viewAt(instant);
    if (holding(off, instant) !== undefined) return false;
    const window = holding(on, instant);
    // One that has lasted for more than a week has always been.
    const began = window && (window.start < instant - REACH ? -Infinity : window.start);
    const ended = window === undefined ? on.findLast(({ end }) => end <= instant)?.end : undefined;
    const onSince = latest(began, this.#lastOn(instant));
    const offSince = latest(ended, this.#lastCron("off", instant));
    if (offSince === undefined) return onSince !== undefined || !this.#hasOn();
    return onSince !== undefined && onSince > offSince;
  }

  /**
   * The last edge up to `instant`: what the schedule says became another, or a cron expression came about, be it that nothing
   * changed.
   */
  lastEdge(instant: number): number | undefined {
    const changed = this.#bounds(instant - REACH, instant).findLast(
      (bound) => this.isOn(bound) !== this.isOn(bound - 1),
    );
    return latest(changed, this.#lastCron("off", instant), this.#lastOn(instant));
  }

  /** The first edge after `instant`. */
  nextEdge(instant: number): number | undefined {
    const changed = this.#bounds(instant + 1, instant + REACH).find(
      (bound) => this.isOn(bound) !== this.isOn(bound - 1),
    );
    return earliest(changed, this.#nextCron("off", instant), this.#nextOn(instant));
  }

  /** The first edge after `instant` at which the schedule says something else than now. */
  nextChange(instant: number): number | undefined {
    const isOn = this.isOn(instant);
    const changed = this.#bounds(instant + 1, instant + REACH).find((bound) => this.isOn(bound) !== isOn);
    return earliest(changed, isOn ? this.#nextCron("off", instant) : this.#nextOnThatHolds(instant));
  }

  #hasOn(): boolean {
    return this.#rules.windows.on.length + this.#rules.crons.on.length > 0;
  }

  #viewAt(instant: number): View {
    if (this.#view === undefined || Math.abs(instant - this.#view.center) > REACH) {
      const around = (windows: readonly Window[]) =>
        united(windows.flatMap(({ zone, entry }) => windowsAround(zone, entry, instant, VIEW_DAYS)));
      const { windows } = this.#rules;
      const [on, off] = [around(windows.on), around(windows.off)];
      const bounds = [...on, ...off].flatMap(({ start, end }) => [start, end]).sort((a, b) => a - b);
      this.#view = { center: instant, on, off, bounds };
    }
    return this.#view;
  }

  /** When windows begin and end from `from` to `to`, in order. */
  #bounds(from: number, to: number): number[] {
    const { bounds } = this.#viewAt((from + to) / 2);
    return bounds.filter((bound) => from <= bound && bound <= to);
  }

  #lastCron(to: "on" | "off", instant: number): number | undefined {
    return latest(...this.#rules.crons[to].map(({ zone, entry }) => lastOf(zone, entry, instant)));
  }

  #nextCron(to: "on" | "off", instant: number): number | undefined {
    return earliest(...this.#rules.crons[to].map(({ zone, entry }) => nextOf(zone, entry, instant)));
  }

  /** The last time up to `instant` that an expression of `on` came about outside the windows of `off`. */
  #lastOn(instant: number): number | undefined {
    let at = this.#lastCron("on", instant);
    for (let hidden = 0; at !== undefined && hidden < MAX_HIDDEN; hidden += 1) {
      const window = holding(this.#viewAt(at).off, at);
      if (window === undefined) return at;
      at = this.#lastCron("on", window.start - 1);
    }
    return undefined;
  }

  /** The next such time after `instant`. */
  #nextOn(instant: number): number | undefined {
    let at = this.#nextCron("on", instant);
    for (let hidden = 0; at !== undefined && hidden < MAX_HIDDEN; hidden += 1) {
      const window = holding(this.#viewAt(at).off, at);
      if (window === undefined) return at;
      at = this.#nextCron("on", window.end - 1);
    }
    return undefined;
  }

  /** The next such time at which nothing switches off at once. */
  #nextOnThatHolds(instant: number): number | undefined {
    let at = this.#nextOn(instant);
    for (let undone = 0; at !== undefined && undone < MAX_HIDDEN; undone += 1) {
      if (this.isOn(at)) return at;
      at = this.#nextOn(at);
    }
    return undefined;
  }
}
