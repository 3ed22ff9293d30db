// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of times: every date-time that the API server takes is understood, as Date understands it.
import fc from "fast-check";
import t from "tap";
import { secondsSinceEpoch, secondsUntil, TIME_PATTERN, timeOf } from "../../hooks/rfc3339.ts";

t.test("times of any zone are the seconds that Date says", async () => {
  const offset = fc.constantFrom("Z", "z", "+00:00", "-00:30", "+01:00", "+14:00", "-23:59");
  const when = fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
  fc.assert(
    fc.property(when, offset, fc.constantFrom("T", "t"), (date, zone, separator) => {
      const time = `${date.toISOString().slice(0, 23).replace("T", separator)}${zone}`;
      const expected = Date.parse(time.toUpperCase()) / 1000;
      if (!new RegExp(TIME_PATTERN).test(time)) throw new Error(time);
      if (Math.abs((secondsSinceEpoch(time) ?? Number.NaN) - expected) > 1e-3) throw new Error(time);
    }),
  );
});

t.test("seconds are the time that Date says", async () => {
  const when = fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
  const leap = fc
    .constantFrom("2000-02-29", "2024-02-29", "2100-02-28", "2100-03-01")
    .map((day) => new Date(day));
  fc.assert(
    fc.property(fc.oneof(when, leap), (date) => {
      const expected = date.toISOString().replace(/\.\d+Z$/, "Z");
      const told = timeOf(date.getTime() / 1000);
      if (told !== expected) throw new Error(`${told} and not ${expected}`);
    }),
  );
});

t.test("what is no time has no seconds", async (t) => {
  for (const text of ["", "tomorrow", "2026-11-22", "2026-11-22T10:00:00", "2026-11-22 10:00:00Z"]) {
    t.equal(secondsSinceEpoch(text), undefined, text);
    t.notMatch(text, new RegExp(TIME_PATTERN));
  }
});

t.test("the time left is 0 at the time itself and negative after it", async (t) => {
  t.equal(secondsUntil("2026-11-22T12:00:00+01:00", "2026-11-22T10:00:00Z"), 3600);
  t.equal(secondsUntil("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"), 0);
  t.equal(secondsUntil("2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z"), -1);
});
