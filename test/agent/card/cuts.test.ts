// SPDX-License-Identifier: Apache-2.0
// The card is pulled out at any APDU of a write: nothing is torn or lost, and what the caller was told is true.
import t from "tap";
import { cardFixture } from "./card-fixture.ts";
import { type CutTable, cutAtApdus, isChanging, printTable, scenarios } from "./cut-points.ts";

/**
 * Every APDU with KEYSWITCH_ALL_CUTS=1. Otherwise each that changes the card, and some of the others: between two changes the
 * card is the same at all of them.
 */
const ALL = process.env.KEYSWITCH_ALL_CUTS === "1";
const SAMPLE = 12;
/** Cut after an APDU the card is as if cut at the next one; only the answer that nobody heard is another. */
const AFTER_SAMPLE = 4;

t.setTimeout(ALL ? 7_200_000 : 590_000);

for (const layout of ["packed", "per-key"] as const) {
  for (const fault of ["cut", "cut-after"] as const) {
    // Beside each other: most of the time goes by waiting for pcscd to notice.
    t.test(`${layout}, ${fault}`, async (t) => {
      const all: CutTable = new Map();
      const results = await Promise.all(
        scenarios().map(async (scenario) => {
          const fixture = await cardFixture(t);
          return cutAtApdus(fixture, layout, scenario, {
            fault,
            at: (nth, entry) =>
              ALL ||
              (fault === "cut"
                ? isChanging(entry) || nth % SAMPLE === 0
                : isChanging(entry) && nth % AFTER_SAMPLE === 0),
          });
        }),
      );
      for (const { table } of results) for (const [row, n] of table) all.set(row, (all.get(row) ?? 0) + n);
      const cuts = results.reduce((total, one) => total + one.cuts, 0);
      const apdus = results.map((one) => one.apdus).join(", ");
      printTable(t, `${layout}, ${fault}: ${cuts} cuts; create, update and delete have ${apdus} APDUs`, all);
      t.same(
        results.flatMap(({ faults }) => faults),
        [],
      );
      t.ok(cuts > 10, "there were APDUs to cut at");
    });
  }
}
