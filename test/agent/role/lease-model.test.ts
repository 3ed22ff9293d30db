// SPDX-License-Identifier: Apache-2.0
// Explores what can happen to a set of HSMs: two agents never take writes, no acknowledged write is lost, and quiet makes all equal.
import t from "tap";
import { depthOf } from "../../hooks/deep-models.ts";
import { explore } from "../../hooks/exploring.ts";
import { faultOf, movesOf } from "./set-invariants.ts";
import { pull, quiet, sync, write } from "./set-steps.ts";
import { idOf, keyOf, newSet, type Parts, REAL, type SetWorld, withAgent, writers } from "./set-world.ts";

/** Three members, of which one missed a write that was acknowledged; the other two are gone for long. */
const oneBehind = (written: SetWorld, parts: Parts): SetWorld => {
  const cut = withAgent(quiet(written, 30, parts), 2, { isCutFromAgents: true });
  const [primary = 0] = writers(cut);
  const refused = write(cut, primary, false, parts) ?? cut;
  const shrunk = quiet(refused, 40, parts);
  const again = write(shrunk, primary, false, parts) ?? shrunk;
  const alone = [0, 1].reduce((world, index) => withAgent(world, index, { isDown: true }), again);
  const lost = sync(alone, parts);
  return { ...lost, time: lost.time + 40 };
};

/** Sets in which something is about to happen. */
const startsOf = (rates: readonly number[], acknowledge: SetWorld["acknowledge"], parts: Parts) => {
  const calm = quiet(newSet(rates, acknowledge), 60, parts);
  const [primary = 0] = writers(calm);
  const mirror = 1 - primary;
  const written = pull(write(calm, primary, false, parts) ?? calm, mirror, parts);
  const ahead =
    write(withAgent(written, mirror, { isCutFromAgents: true }), primary, false, parts) ?? written;
  const lost = sync(withAgent(written, primary, { isCutFromWebhook: true }), parts);
  const late = sync({ ...written, time: written.time + 10 }, parts, "orders-late");
  const lateThenLost = sync(withAgent(late, primary, { isCutFromWebhook: true }), parts);
  const aheadAndLost = sync(withAgent(ahead, primary, { isCutFromWebhook: true }), parts);
  const failedOver = quiet(aheadAndLost, 60, parts);
  const back = withAgent(lost, primary, { isCutFromWebhook: false });
  const heard = sync({ ...back, time: lost.time + 35 }, parts, "status-lost");
  const cutAgain = withAgent(heard, primary, { isCutFromWebhook: true });
  const starts: [string, SetWorld][] = [
    ["lost, heard when no status could be written, and lost", { ...cutAgain, time: heard.time + 5 }],
    ...(rates.length > 2
      ? [["one behind, the others lost", oneBehind(written, parts)] as [string, SetWorld]]
      : []),
    ["calm", calm],
    ["written", written],
    ["lost for 35 s", { ...lost, time: lost.time + 35 }],
    ["late orders, lost for 40 s", { ...lateThenLost, time: lateThenLost.time + 40 }],
    ["lost and back after 5 s", { ...back, time: lost.time + 5 }],
    ["lost ahead of the mirror", { ...aheadAndLost, time: lost.time + 40 }],
    ["after a failover", failedOver],
    [
      "status lost, and the primary",
      {
        ...withAgent(written, primary, { isCutFromWebhook: true }),
        status: {},
        primaryNode: `node-${idOf(mirror)}`,
      },
    ],
    ["hand-over", { ...written, primaryNode: `node-${idOf(mirror)}` }],
  ];
  return starts.map(([name, world]) => ({ world, path: [name] }));
};

const searched = (
  rates: readonly number[],
  acknowledge: SetWorld["acknowledge"],
  depth: number,
  parts: Parts = REAL,
) =>
  explore({
    starts: startsOf(rates, acknowledge, parts),
    actsOf: movesOf(parts),
    keyOf,
    faultOf: faultOf(parts),
    depth,
  });

const CLOCKS = [
  [1, 1],
  [1.01, 0.99],
  [0.99, 1.01],
];

for (const acknowledge of ["Primary", "Mirror"] as const) {
  t.test(`two members, acknowledge ${acknowledge}`, async (t) => {
    for (const rates of CLOCKS) {
      const { states, failures } = searched(rates, acknowledge, depthOf(3, 5));
      t.comment(`clocks at ${rates.join(" and ")}: ${states} states`);
      t.same(failures, []);
    }
  });
  t.test(`three members, acknowledge ${acknowledge}`, async (t) => {
    const { states, failures } = searched([1, 0.99, 1.01], acknowledge, depthOf(2, 4));
    t.comment(`${states} states`);
    t.same(failures, []);
  });
}

/** Park and Miller's generator: the same walks each time. */
const chance = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
};

/** Goes on from `start` by chance; the moves made and the first fault. */
const walk = (start: SetWorld, steps: number, seed: number) => {
  const pick = chance(seed);
  const [moves, fault, path] = [movesOf(REAL), faultOf(REAL), [] as string[]];
  try {
    let world = start;
    for (let step = 0; step < steps; step += 1) {
      const acts = moves(world);
      // Every other move is what happens by itself; else most of a walk is cuts.
      const calm = acts.filter(([name]) => /^(sync $|10 s|pull|start|write|late)/.test(name));
      const among = pick(2) === 0 ? calm : acts;
      const [name, act] = among[pick(among.length)] ?? ["", () => world];
      path.push(name);
      world = act();
    }
    const wrong = fault(world);
    return { steps: path.length, ...(wrong !== undefined && { fault: `${path.join("; ")}: ${wrong}` }) };
  } catch (error) {
    return { steps: path.length, fault: `${path.join("; ")}: ${error}` };
  }
};

t.test("long walks by chance", async (t) => {
  let steps = 0;
  const faults = new Set<string>();
  for (let seed = 1; seed <= depthOf(600, 20_000); seed += 1) {
    const rates = CLOCKS[seed % CLOCKS.length] ?? [];
    const acknowledge = seed % 2 === 0 ? "Primary" : "Mirror";
    const starts = startsOf(seed % 4 < 2 ? rates : [...rates, 1], acknowledge, REAL);
    const walked = walk(starts[seed % starts.length]?.world ?? newSet(rates, acknowledge), 100, seed * 7919);
    steps += walked.steps;
    if (walked.fault !== undefined) faults.add(`${seed}: ${walked.fault}`);
  }
  t.comment(`${steps} moves`);
  for (const fault of faults) t.comment(fault);
  t.same([...faults], []);
});

/** Rules that are each a little too weak, and where the model has to find that. */
const MUTATIONS: readonly [string, Partial<Parts>][] = [
  [
    "a primary that the status calls out of reach is granted writes",
    {
      ordersOf: (view) => {
        const { unreachableSince: _, ...state } = view.state;
        return REAL.ordersOf({ ...view, state });
      },
    },
  ],
  ["a lease runs from the receipt of its order", { received: (order, clockMs) => ({ ...order, clockMs }) }],
  [
    "another follows 15 s too early",
    {
      decideRoles: (view) =>
        REAL.decideRoles({ ...view, now: new Date(Date.parse(view.now) + 15_000).toISOString() }),
    },
  ],
  [
    "the greater version wins",
    {
      planPull: (here, there) => {
        const history = [1, 2, 3, 4].map((epoch): [number, number] => [epoch, 1000]);
        const secrets = there.secrets.map((one) => ({ ...one, stamp: { ...one.stamp, history } }));
        return REAL.planPull(here, { ...there, secrets });
      },
    },
  ],
  [
    "a mirror that is not in sync follows",
    {
      decideRoles: (view) =>
        REAL.decideRoles({ ...view, state: { ...view.state, inSync: view.members.map(({ id }) => id) } }),
    },
  ],
];

for (const [name, broken] of MUTATIONS) {
  t.test(`found: ${name}`, async (t) => {
    const parts = { ...REAL, ...broken };
    const [failure] = [
      ...searched([1, 1], "Primary", 3, parts).failures,
      ...searched([1, 1, 1], "Mirror", 3, parts).failures,
    ];
    t.comment(failure);
    t.ok(failure);
  });
}
