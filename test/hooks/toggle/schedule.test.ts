// SPDX-License-Identifier: Apache-2.0
// Tests what a schedule says: how windows and cron expressions go together, and what is refused.
import t from "tap";
import { secondsSinceEpoch, timeOf } from "../../../hooks/rfc3339.ts";
import { resolveSchedule } from "../../../hooks/toggle/resolved-schedule.ts";
import type { ScheduleSpec } from "../../../hooks/toggle/schedule-schema.ts";

const utc = (on: string[], off: string[] = []): ScheduleSpec => [{ timeZone: "UTC", on, off }];
const of = (spec: ScheduleSpec) => {
  const { schedule, fault } = resolveSchedule(spec);
  if (schedule === undefined) throw new Error(fault);
  return schedule;
};
const at = (minute: string): number => secondsSinceEpoch(`${minute}:00Z`) ?? Number.NaN;
const said = (spec: ScheduleSpec, minutes: readonly string[]): string[] =>
  minutes.map((minute) => `${minute.slice(8)} ${of(spec).isOn(at(minute)) ? "on" : "off"}`);

// 2026-11-23 is a Monday.
const states: readonly [name: string, spec: ScheduleSpec, expected: readonly string[]][] = [
  [
    "a window holds its first minute and not its last",
    utc(["Mon-Fri 08:00-18:00"]),
    ["23T07:59 off", "23T08:00 on", "23T17:59 on", "23T18:00 off", "28T12:00 off"],
  ],
  [
    "a window across midnight is of the day on which it begins",
    utc(["Fri 22:00-06:00"]),
    ["27T05:00 off", "27T22:00 on", "28T05:59 on", "28T22:30 off"],
  ],
  [
    "days can be listed, and go over the end of the week",
    utc(["Wed,Sat-Mon 10:00-12:00"]),
    ["23T10:00 on", "24T10:00 off", "25T10:00 on", "28T10:00 on", "29T10:00 on"],
  ],
  [
    "days alone are whole days",
    utc(["Sat,Sun"]),
    ["27T23:59 off", "28T00:00 on", "29T23:59 on", "30T00:00 off"],
  ],
  [
    "windows that touch or overlap are one",
    utc(["08:00-12:00", "12:00-14:00", "13:00-16:00"]),
    ["23T12:00 on", "23T14:00 on", "23T16:00 off"],
  ],
  [
    "a window of off wins over on",
    utc(["08:00-18:00"], ["12:00-13:00"]),
    ["23T11:59 on", "23T12:00 off", "23T13:00 on"],
  ],
  [
    "windows of off alone: on outside them",
    utc([], ["Sat,Sun"]),
    ["27T12:00 on", "28T12:00 off", "30T12:00 on"],
  ],
  [
    "cron switches on and off",
    utc(["0 8 * * 1-5"], ["30 17 * * MON-FRI"]),
    ["23T07:59 off", "23T08:00 on", "23T17:29 on", "23T17:30 off", "29T12:00 off"],
  ],
  [
    "cron switches off within a window, until it begins again",
    utc(["Mon-Fri 08:00-18:00"], ["0 12 * * 5"]),
    ["27T11:59 on", "27T12:00 off", "27T17:00 off", "30T08:00 on"],
  ],
  [
    "cron switches on after a window, until the next one ends",
    utc(["08:00-10:00", "0 20 * * 1"]),
    ["23T10:00 off", "23T20:00 on", "24T09:59 on", "24T10:00 off"],
  ],
  [
    "a window of off hides a cron expression of on",
    utc(["0 9 * * *"], ["Sat,Sun", "0 17 * * *"]),
    ["28T12:00 off", "30T08:00 off", "30T09:00 on"],
  ],
  ["on and off at once is off", utc(["0 8 * * *"], ["0 8 * * *"]), ["23T08:00 off", "23T12:00 off"]],
  [
    "either day of a cron expression will do",
    utc(["0 8 1 * 2"], ["0 9 * * *"]),
    ["23T08:00 off", "24T08:00 on", "25T08:00 off"],
  ],
  ["what held before the first edge: as if it had always been", utc(["0 8 29 2 *"], []), ["23T08:00 on"]],
  ["cron of off alone is off", utc([], ["0 20 * * *"]), ["23T10:00 off", "23T20:00 off"]],
  [
    "elements count together",
    [...utc(["Mon 08:00-10:00"]), { timeZone: "Asia/Kathmandu", on: ["Mon 18:00-20:00"] }],
    ["23T09:00 on", "23T10:00 off", "23T12:15 on", "23T14:15 off"],
  ],
];
for (const [name, spec, expected] of states) {
  t.test(name, async (t) =>
    t.same(
      said(
        spec,
        expected.map((one) => `2026-11-${one.slice(0, 8)}`),
      ),
      expected,
    ),
  );
}

const edges: readonly [name: string, spec: ScheduleSpec, now: string, next: string, change: string][] = [
  ["the end of a window", utc(["08:00-18:00"]), "23T10:00", "23T18:00", "23T18:00"],
  ["not between windows that touch", utc(["08:00-12:00", "12:00-18:00"]), "23T10:00", "23T18:00", "23T18:00"],
  [
    "not the beginning of a window that off hides",
    utc(["08:00-18:00"], ["07:00-09:00"]),
    "23T06:00",
    "23T09:00",
    "23T09:00",
  ],
  [
    "a cron expression is an edge, be it that it changes nothing",
    utc(["0 * * * *"], ["0 20 * * *"]),
    "23T10:30",
    "23T11:00",
    "23T20:00",
  ],
  [
    "a cron expression of off is one within a window of off",
    utc(["Mon-Fri"], ["Sat,Sun", "0 20 * * *"]),
    "28T10:00",
    "28T20:00",
    "30T00:00",
  ],
  [
    "a hidden cron expression of on is none",
    utc(["0 9 * * *"], ["Sat,Sun", "0 17 * * 1-5"]),
    "28T08:00",
    "30T09:00",
    "30T09:00",
  ],
  ["far away", utc(["0 0 29 2 *"], ["0 0 1 3 *"]), "23T10:00", "none", "none"],
];
for (const [name, spec, now, next, change] of edges) {
  t.test(`edges: ${name}`, async (t) => {
    const told = (seconds: number | undefined): string => {
      const time = seconds === undefined ? "" : timeOf(seconds);
      return time.startsWith("2026-11") ? time.slice(8, 16) : "none";
    };
    const instant = at(`2026-11-${now}`);
    t.equal(told(of(spec).nextEdge(instant)), next);
    t.equal(told(of(spec).nextChange(instant)), change);
  });
}

t.test(
  "while the clock shows an hour again, the last of its times is the last of the first pass",
  async (t) => {
    const schedule = of([{ timeZone: "America/New_York", on: ["*/30 1 1 11 *"] }]);
    t.equal(timeOf(schedule.lastEdge(at("2026-11-01T06:10")) ?? 0), "2026-11-01T05:30:00Z");
  },
);

t.test("a window that the clock skips does not end either", async (t) => {
  const schedule = of([{ timeZone: "Europe/Berlin", on: ["0 1 * * *", "02:15-02:45"] }]);
  t.notOk(schedule.isOn(at("2026-03-28T02:00")), "it ends on the day before");
  t.ok(schedule.isOn(at("2026-03-29T02:00")));
});

t.test("29 February is found over eight years", async (t) => {
  const schedule = of(utc(["0 0 29 2 *"]));
  t.equal(timeOf(schedule.nextEdge(at("2096-03-01T00:00")) ?? 0), "2104-02-29T00:00:00Z");
  t.equal(timeOf(schedule.lastEdge(at("2104-02-28T00:00")) ?? 0), "2096-02-29T00:00:00Z");
});

const refused: readonly [spec: ScheduleSpec, fault: RegExp][] = [
  [
    [{ timeZone: "Europe/Berln", on: ["Mon"] }],
    /^spec\.schedule\[0\]\.timeZone: "Europe\/Berln" is no time zone/,
  ],
  [[{ timeZone: "+01:00", on: ["Mon"] }], /timeZone: "\+01:00"/],
  [[{ timeZone: "Not a zone\n", on: ["Mon"] }], /timeZone: "Not a zone\\n"/],
  [
    [...utc(["Mon"]), { timeZone: "UTC", on: ["Mon", "Mon-Tue-Wed"] }],
    /^spec\.schedule\[1\]\.on\[1\]: "Mon-Tue-Wed"/,
  ],
  [utc([], ["25:00-26:00"]), /off\[0\]: "25:00-26:00" is neither a window/],
  [utc(["08:00-08:00"]), /on\[0\]: "08:00-08:00" has no length/],
  [utc(["60 8 * * *"]), /"60 8 \* \* \*" is no cron expression: Invalid value for minute: 60/],
  [utc(["0 8 31 2 *"]), /on a date that never comes/],
  [utc(["0 8 L * *"]), /is neither/],
  [utc(["0 0 8 * * *"]), /is neither/],
  [utc(["5-1 * * * *"]), /no cron expression/],
  [utc(["*/0 * * * *"]), /no cron expression/],
  [utc([]), /neither on nor off/],
];
for (const [spec, fault] of refused) {
  t.test(`it is refused: ${JSON.stringify(spec)}`, async (t) => t.match(resolveSchedule(spec).fault, fault));
}
