// SPDX-License-Identifier: Apache-2.0
// Tests when a time of day comes next, over the days on which clocks are changed.
import t from "tap";
import { isTimeZone, nextTimeOfDay, timeOfDay } from "../../server/bot/duration.ts";

const rows: [time: string, zone: string, now: string, next: string][] = [
  ["18:00", "UTC", "2026-11-22T08:00:00Z", "2026-11-22T18:00:00Z"],
  ["08:00", "UTC", "2026-11-22T08:00:00Z", "2026-11-23T08:00:00Z"],
  ["00:00", "UTC", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"],
  ["18:00", "Europe/Berlin", "2026-11-22T08:00:00Z", "2026-11-22T17:00:00Z"],
  ["18:00", "Europe/Berlin", "2026-07-22T08:00:00Z", "2026-07-22T16:00:00Z"],
  // It is the 23rd there already.
  ["00:30", "Asia/Kathmandu", "2026-11-22T18:20:00Z", "2026-11-22T18:45:00Z"],
  ["18:00", "America/New_York", "2026-11-22T23:30:00Z", "2026-11-23T23:00:00Z"],
  // Clocks go forward at 2:00, and 2:30 is not shown that day; back at 3:00, when 2:30 is shown twice.
  ["02:30", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z"],
  ["03:30", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T01:30:00Z"],
  ["02:30", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z"],
  ["04:00", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T03:00:00Z"],
  ["18:00", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T17:00:00Z"],
  ["02:15", "Australia/Lord_Howe", "2026-10-03T14:00:00Z", "2026-10-03T15:45:00Z"],
];
for (const [time, zone, now, next] of rows) {
  const found = new Date(nextTimeOfDay(time, zone, Date.parse(now))).toISOString();
  t.equal(found.replace(".000", ""), next, `${time} in ${zone} after ${now}`);
}

for (const [word, time] of [
  ["7:05", "07:05"],
  ["18:00", "18:00"],
  ["24:00", undefined],
  ["18", undefined],
  ["18:60", undefined],
] as const) {
  t.equal(timeOfDay(word), time, word);
}
t.same([isTimeZone("Europe/Berlin"), isTimeZone("UTC"), isTimeZone("Middle/Earth")], [true, true, false]);
