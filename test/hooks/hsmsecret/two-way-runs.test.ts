// SPDX-License-Identifier: Apache-2.0
// Tests random runs of the two-way sync over a store in memory that are longer than the exhaustive ones.
import t from "tap";
import { depthOf } from "../deep-models.ts";
import { changeInMemory } from "./change-in-memory.ts";
import { type RunTally, runOnce } from "./two-way-runs.ts";

const RUNS = depthOf(200, 600);
const STEPS = 60;

t.test(`${RUNS} random runs of ${STEPS} steps lose no update unseen, and end with equal sides`, async (t) => {
  const store = changeInMemory();
  const tally: RunTally = { conflicts: 0, writes: 0, updates: 0 };
  const failures: string[] = [];
  for (let seed = 1; seed <= RUNS && failures.length < 5; seed += 1) {
    await runOnce(store, `secrets/demo/run-${seed}`, seed, STEPS, tally).catch((error: unknown) => {
      failures.push(String(error));
    });
  }
  t.same(failures, []);
  t.comment(
    `${tally.updates} updates, ${tally.writes} write-backs, ${tally.conflicts} syncs that said Conflict`,
  );
  t.ok(tally.writes > RUNS && tally.conflicts > RUNS, "the runs did both");
});
