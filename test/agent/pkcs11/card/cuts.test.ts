// SPDX-License-Identifier: Apache-2.0
// Tests that a card unplugged at any APDU of a write loses or tears nothing, and that what the caller was told is true.
import t from "tap";
import { cardFixture, cardTest } from "./card-fixture.ts";
import { type CutTable, cutAtApdus, isChanging, printTable, scenarios } from "./cut-points.ts";

/**
 * Every APDU with KEYSWITCH_ALL_CUTS=1. Otherwise those that change the card, in the per-key layout a quarter of its many, and
 * some of the others: between two changes the card is the same at all of them, and cut after one it is as if cut at the next.
 */
const ALL = process.env.KEYSWITCH_ALL_CUTS === "1";

const isChosen = (layout: "packed" | "per-key", fault: "cut" | "cut-after", nth: number): boolean =>
  nth % (fault === "cut-after" ? 8 : layout === "packed" ? 1 : 4) === 0;

const OTHERS = 30;

t.setTimeout(ALL ? 7_200_000 : 590_000);

for (const layout of ["packed", "per-key"] as const) {
  for (const fault of ["cut", "cut-after"] as const) {
    // Beside each other: most of the time goes by waiting for pcscd to notice.
    cardTest(`${layout}, ${fault}`, async (t) => {
      const all: CutTable = new Map();
      const results = await Promise.all(
        scenarios().map(async (scenario) => {
          const fixture = await cardFixture(t);
          return cutAtApdus(fixture, layout, scenario, {
            fault,
            at: (nth, entry) =>
              ALL || (isChanging(entry) ? isChosen(layout, fault, nth) : nth % OTHERS === 0),
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
      t.ok(cuts > 5, "there were APDUs to cut at");
    });
  }
}
