// SPDX-License-Identifier: Apache-2.0
// Model-checks the sync hook: every interleaving, up to a depth, of token changes, outages, edits of the Secret and of the
// spec, foreign Secrets and syncs.
import t from "tap";
import { convergenceCheck } from "../convergence.ts";
import { depthOf } from "../deep-models.ts";
import { explore } from "../exploring.ts";
import { ACTIONS, canonical, faultAtRest, START, step } from "./model-world.ts";

const DEPTH = depthOf(6, 8);

/** Once the token is healthy and everybody is quiet, a few syncs make the Secret what the token says, and then rest. */
const settles = convergenceCheck({ keyOf: canonical, next: step, faultAtRest, rounds: 6 });

t.test("no interleaving loses the Secret, lies about it, or keeps it from settling", async (t) => {
  const { states, failures } = explore({
    starts: [{ world: step(step(START)), path: [] }],
    actsOf: (world) => Object.entries(ACTIONS).map(([name, act]) => [name, () => act(world)]),
    keyOf: canonical,
    faultOf: (world) => settles({ ...world, outage: false }),
    depth: DEPTH,
  });
  t.same(failures.slice(0, 5), []);
  t.comment(`${states} states, every interleaving of up to ${DEPTH} steps`);
  t.ok(states > 30_000, "the search went somewhere");
});
