// SPDX-License-Identifier: Apache-2.0
// Tests 500 random runs of the two-way sync on a real token: the agent's store writes to SoftHSM2 what the hooks plan, and
// reads it back for them.
import t from "tap";
import { type RunTally, runOnce } from "../../hooks/hsmsecret/two-way-runs.ts";
import { tokenFixture } from "./token-fixture.ts";

const RUNS = 500;
const STEPS = 32;

t.test(
  `${RUNS} random runs on a token lose no update unseen, and end with equal sides`,
  { timeout: 580_000 },
  async (t) => {
    const fixture = await tokenFixture(t);
    const store = fixture.openStore({ direct: true });
    const tally: RunTally = { conflicts: 0, writes: 0, updates: 0 };
    const failures: string[] = [];
    // From a seed that no other run begins with.
    for (let seed = 10_001; seed <= 10_000 + RUNS && failures.length < 5; seed += 1) {
      await runOnce(store, `secrets/demo/run-${seed}`, seed, STEPS, tally).catch((error: unknown) => {
        failures.push(String(error));
      });
    }
    t.same(failures, []);
    t.comment(
      `${tally.updates} updates, ${tally.writes} write-backs, ${tally.conflicts} syncs that said Conflict`,
    );
    t.ok(tally.writes > RUNS / 2 && tally.conflicts > RUNS / 2, "the runs did both");
  },
);
