// SPDX-License-Identifier: Apache-2.0
// Tests the edges of schedules in four time zones over the days on which clocks change in 2026 and 2027. The times are worked
// out by hand from the rules of the zones: none of them comes from the code.
import t from "tap";
import { secondsSinceEpoch, timeOf } from "../../../hooks/rfc3339.ts";
import { resolveSchedule } from "../../../hooks/toggle/resolved-schedule.ts";

interface ZoneRow {
  readonly name: string;
  readonly zone: string;
  readonly on: readonly string[];
  readonly off?: readonly string[];
  /** Each edge after the first minute of this time, in order. */
  readonly from: string;
  /** Day and time in UTC, and what it is from then on. */
  readonly edges: readonly string[];
}

const BERLIN = "Europe/Berlin";
const NEW_YORK = "America/New_York";
const LORD_HOWE = "Australia/Lord_Howe";
const KATHMANDU = "Asia/Kathmandu";

const rows: readonly ZoneRow[] = [
  {
    name: "Berlin 2026, a window from a time that the clock skips begins when it is put forward",
    zone: BERLIN,
    on: ["02:30-10:00"],
    from: "2026-03-28T00:00Z",
    edges: ["03-28T01:30 On", "03-28T09:00 Off", "03-29T01:00 On", "03-29T08:00 Off", "03-30T00:30 On"],
  },
  {
    name: "Berlin 2026, a window within the skipped hour is none",
    zone: BERLIN,
    on: ["02:15-02:45"],
    from: "2026-03-28T00:00Z",
    edges: ["03-28T01:15 On", "03-28T01:45 Off", "03-30T00:15 On", "03-30T00:45 Off"],
  },
  {
    name: "Berlin 2026, a window to a skipped time ends when the clock is put forward",
    zone: BERLIN,
    on: ["Sat 22:00-02:30"],
    from: "2026-03-28T00:00Z",
    edges: ["03-28T21:00 On", "03-29T01:00 Off", "04-04T20:00 On", "04-05T00:30 Off"],
  },
  {
    name: "Berlin 2026, a window from a time that comes twice begins at the first",
    zone: BERLIN,
    on: ["02:30-10:00"],
    from: "2026-10-24T00:00Z",
    edges: ["10-24T00:30 On", "10-24T08:00 Off", "10-25T00:30 On", "10-25T09:00 Off", "10-26T01:30 On"],
  },
  {
    name: "Berlin 2026, a window within the repeated hour comes once",
    zone: BERLIN,
    on: ["02:15-02:45"],
    from: "2026-10-25T00:00Z",
    edges: ["10-25T00:15 On", "10-25T00:45 Off", "10-26T01:15 On", "10-26T01:45 Off"],
  },
  {
    name: "Berlin 2026, a window to a time that comes twice ends at the first",
    zone: BERLIN,
    on: ["Sat 22:00-02:30"],
    from: "2026-10-24T00:00Z",
    edges: ["10-24T20:00 On", "10-25T00:30 Off", "10-31T21:00 On", "11-01T01:30 Off"],
  },
  {
    name: "Berlin 2026, a whole day has 23 and 25 hours",
    zone: BERLIN,
    on: ["Sun"],
    from: "2026-10-24T00:00Z",
    edges: ["10-24T22:00 On", "10-25T23:00 Off", "10-31T23:00 On", "11-01T23:00 Off"],
  },
  {
    name: "Berlin 2027, forward",
    zone: BERLIN,
    on: ["02:30-10:00"],
    from: "2027-03-27T00:00Z",
    edges: ["03-27T01:30 On", "03-27T09:00 Off", "03-28T01:00 On", "03-28T08:00 Off", "03-29T00:30 On"],
  },
  {
    name: "Berlin 2027, back, by cron",
    zone: BERLIN,
    on: ["30 2 * * *"],
    off: ["0 10 * * *"],
    from: "2027-10-30T00:00Z",
    edges: ["10-30T00:30 On", "10-30T08:00 Off", "10-31T00:30 On", "10-31T09:00 Off", "11-01T01:30 On"],
  },
  {
    name: "New York 2026, forward, by cron",
    zone: NEW_YORK,
    on: ["30 2 * * *"],
    off: ["0 12 * * *"],
    from: "2026-03-07T00:00Z",
    edges: [
      "03-07T07:30 On",
      "03-07T17:00 Off",
      "03-08T07:00 On",
      "03-08T16:00 Off",
      "03-09T06:30 On",
      "03-09T16:00 Off",
    ],
  },
  {
    name: "New York 2026, back, by cron: once",
    zone: NEW_YORK,
    on: ["30 1 * * *"],
    off: ["0 12 * * *"],
    from: "2026-10-31T00:00Z",
    edges: ["10-31T05:30 On", "10-31T16:00 Off", "11-01T05:30 On", "11-01T17:00 Off", "11-02T06:30 On"],
  },
  {
    name: "New York 2026, every half hour of the repeated hour comes once",
    zone: NEW_YORK,
    on: ["*/30 1 1 11 *"],
    from: "2026-10-31T00:00Z",
    edges: ["11-01T05:00 On", "11-01T05:30 On"],
  },
  {
    name: "New York 2026, working hours on both sides of the change",
    zone: NEW_YORK,
    on: ["Mon-Fri 08:00-18:00"],
    from: "2026-03-06T00:00Z",
    edges: ["03-06T13:00 On", "03-06T23:00 Off", "03-09T12:00 On", "03-09T22:00 Off"],
  },
  {
    name: "New York 2027, forward and back",
    zone: NEW_YORK,
    on: ["Sun 02:30-04:00"],
    from: "2027-03-13T00:00Z",
    edges: ["03-14T07:00 On", "03-14T08:00 Off", "03-21T06:30 On", "03-21T08:00 Off"],
  },
  {
    name: "New York 2027, back",
    zone: NEW_YORK,
    on: ["Sun 01:30-04:00"],
    from: "2027-11-06T00:00Z",
    edges: ["11-07T05:30 On", "11-07T09:00 Off", "11-14T06:30 On", "11-14T09:00 Off"],
  },
  {
    name: "Lord Howe 2026, back by half an hour",
    zone: LORD_HOWE,
    on: ["01:45-06:00"],
    from: "2026-04-03T12:00Z",
    edges: ["04-03T14:45 On", "04-03T19:00 Off", "04-04T14:45 On", "04-04T19:30 Off", "04-05T15:15 On"],
  },
  {
    name: "Lord Howe 2026, forward by half an hour",
    zone: LORD_HOWE,
    on: ["02:15-06:00"],
    from: "2026-10-02T12:00Z",
    edges: ["10-02T15:45 On", "10-02T19:30 Off", "10-03T15:30 On", "10-03T19:00 Off", "10-04T15:15 On"],
  },
  {
    name: "Lord Howe 2026, Monday is the zone's and not that of UTC",
    zone: LORD_HOWE,
    on: ["Mon 08:00-10:00"],
    from: "2026-10-02T00:00Z",
    edges: ["10-04T21:00 On", "10-04T23:00 Off", "10-11T21:00 On", "10-11T23:00 Off"],
  },
  {
    name: "Lord Howe 2027, back, by cron",
    zone: LORD_HOWE,
    on: ["45 1 * * *"],
    off: ["0 6 * * *"],
    from: "2027-04-02T12:00Z",
    edges: ["04-02T14:45 On", "04-02T19:00 Off", "04-03T14:45 On", "04-03T19:30 Off", "04-04T15:15 On"],
  },
  {
    name: "Lord Howe 2027, forward, by cron",
    zone: LORD_HOWE,
    on: ["15 2 * * *"],
    off: ["0 6 * * *"],
    from: "2027-10-01T12:00Z",
    edges: ["10-01T15:45 On", "10-01T19:30 Off", "10-02T15:30 On", "10-02T19:00 Off", "10-03T15:15 On"],
  },
  {
    name: "Kathmandu 2026, 5:45 ahead all the year",
    zone: KATHMANDU,
    on: ["Mon-Fri 09:00-17:00"],
    from: "2026-03-28T00:00Z",
    edges: ["03-30T03:15 On", "03-30T11:15 Off", "03-31T03:15 On", "03-31T11:15 Off"],
  },
  {
    name: "Kathmandu 2027, across midnight, which is the day before in UTC",
    zone: KATHMANDU,
    on: ["Sun 22:00-06:00"],
    from: "2027-10-30T00:00Z",
    edges: ["10-31T16:15 On", "11-01T00:15 Off", "11-07T16:15 On", "11-08T00:15 Off"],
  },
  {
    name: "Kathmandu 2027, weekends off, whatever cron says",
    zone: KATHMANDU,
    on: ["0 9 * * *"],
    off: ["Sat,Sun", "0 17 * * 5"],
    from: "2027-10-28T12:00Z",
    edges: ["10-29T03:15 On", "10-29T11:15 Off", "11-01T03:15 On"],
  },
];

const secondsOf = (minute: string): number => secondsSinceEpoch(minute.replace("Z", ":00Z")) ?? Number.NaN;

for (const { name, zone, on, off = [], from, edges } of rows) {
  t.test(name, async (t) => {
    const { schedule } = resolveSchedule([{ timeZone: zone, on: [...on], off: [...off] }]);
    if (schedule === undefined) return t.fail("it is a schedule");
    let at = secondsOf(from);
    const found = edges.map(() => {
      at = schedule.nextEdge(at) ?? Number.NaN;
      return `${timeOf(at).slice(5, 16)} ${schedule.isOn(at) ? "On" : "Off"}`;
    });
    t.same(found, edges);
    for (const edge of edges) {
      const [time = "", state] = edge.split(" ");
      const instant = secondsOf(`${from.slice(0, 5)}${time}Z`);
      t.equal(schedule.lastEdge(instant), instant, `the last edge at ${time}`);
      t.not(schedule.lastEdge(instant - 1), instant, `the last edge before ${time}`);
      t.equal(schedule.nextEdge(instant - 1), instant, `the next edge before ${time}`);
      t.equal(schedule.isOn(instant + 59), state === "On", `a minute from ${time}`);
    }
  });
}
