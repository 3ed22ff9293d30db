// SPDX-License-Identifier: Apache-2.0
// Tests that a window begins and ends when somebody who watches the zone's clock minute by minute sees its times come about for
// the first time, over the days on which clocks change.
import fc from "fast-check";
import t from "tap";
import { secondsSinceEpoch } from "../../../hooks/rfc3339.ts";
import { resolveSchedule } from "../../../hooks/toggle/resolved-schedule.ts";

const HOURS = 36;
const WATCHES = [
  ["Europe/Berlin", "2026-03-28T12:00:00Z"],
  ["Europe/Berlin", "2027-10-30T12:00:00Z"],
  ["America/New_York", "2027-03-13T12:00:00Z"],
  ["America/New_York", "2026-10-31T12:00:00Z"],
  ["Australia/Lord_Howe", "2026-04-03T20:00:00Z"],
  ["Australia/Lord_Howe", "2027-10-02T00:00:00Z"],
  // Its clock is put forward at midnight.
  ["Africa/Cairo", "2026-04-23T12:00:00Z"],
  ["Asia/Kathmandu", "2026-06-05T12:00:00Z"],
] as const;

/** The clock of a zone at a minute since the epoch as `YYYY-MM-DD HH:MM`: Intl's own words, which the hooks don't use. */
const clockOf = (zone: string) => {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });
  return (minute: number): string => format.format(minute * 60_000);
};

/** What comes about of a daily window while the clock goes on from `before` to `after`, and whether it is on then. */
const passing = (wasOn: boolean, [from, to]: readonly [string, string], before: string, after: string) => {
  const day = after.slice(0, 10);
  const has = (time: string): boolean => `${day} ${time}` > before && `${day} ${time}` <= after;
  const ends = has(to) && !(has(from) && from > to);
  return (wasOn || has(from)) && !ends;
};

/** The minutes at which a daily window begins and ends for somebody who watches. */
const watched = (zone: string, first: number, window: readonly [string, string]): string[] => {
  const read = clockOf(zone);
  const [from, to] = window;
  let highest = read(first);
  const time = highest.slice(11);
  let isOn = from < to ? from <= time && time < to : time >= from || time < to;
  const found: string[] = [];
  for (let minute = first + 1; minute <= first + HOURS * 60; minute += 1) {
    const wall = read(minute);
    if (wall <= highest) continue;
    const is = passing(isOn, window, highest, wall);
    if (is !== isOn) found.push(`${minute} ${is}`);
    [highest, isOn] = [wall, is];
  }
  return found;
};

const told = (zone: string, first: number, [from, to]: readonly [string, string]): string[] => {
  const { schedule } = resolveSchedule([{ timeZone: zone, on: [`${from}-${to}`] }]);
  const found: string[] = [];
  let at = schedule?.nextChange(first * 60);
  while (schedule !== undefined && at !== undefined && at <= (first + HOURS * 60) * 60) {
    found.push(`${at / 60} ${schedule.isOn(at)}`);
    at = schedule.nextChange(at);
  }
  return found;
};

t.test("windows are as on a clock that is watched", async (t) => {
  const quarter = fc.tuple(fc.nat(23), fc.constantFrom("00", "15", "30", "45"));
  const time = quarter.map(([hour, minute]) => `${String(hour).padStart(2, "0")}:${minute}`);
  // As likely as all others together: the hours in which clocks change.
  const early = fc.constantFrom(
    "00:00",
    "00:30",
    "01:30",
    "01:45",
    "02:00",
    "02:15",
    "02:30",
    "02:45",
    "03:00",
  );
  const one = fc.oneof(time, early);
  fc.assert(
    fc.property(fc.constantFrom(...WATCHES), one, one, ([zone, begins], from, to) => {
      fc.pre(from !== to);
      const first = (secondsSinceEpoch(begins) ?? Number.NaN) / 60;
      const [seen, said] = [watched(zone, first, [from, to]), told(zone, first, [from, to])];
      if (JSON.stringify(seen) !== JSON.stringify(said)) {
        throw new Error(`${from}-${to} in ${zone} from ${begins}: ${seen} seen, ${said} said`);
      }
    }),
    { numRuns: 200, seed: 20261129 },
  );
  t.pass();
});
