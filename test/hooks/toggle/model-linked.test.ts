// SPDX-License-Identifier: Apache-2.0
// Model-checks two Toggles that are linked by spec.dependsOn: every interleaving, up to a depth, of switches, an edge of the schedule of both,
// restarts, pods that come, go and die, links that come and go, crashes, and syncs of each.
import t from "tap";
import type { ToggleSpec } from "../../../hooks/toggle/schema.ts";
import { convergenceCheck } from "../convergence.ts";
import { depthOf } from "../deep-models.ts";
import { explore } from "../exploring.ts";
import { dependsOn, faultOfSide, type Linked, linkedKeyOf, on, stepOf } from "./model-linked.ts";
import { askRestart, faultOfRestart } from "./model-restarts.ts";
import { freshWorld, type World } from "./model-state.ts";
import { edit, passEdge, switchBy } from "./model-switches.ts";
import { create, put, rollOut, scaleByOthers } from "./model-world.ts";

const DEPTH = depthOf(3, 4);

const start = (spec: Partial<ToggleSpec>, replicas: number): World =>
  create(freshWorld(spec), "web", { replicas });

const link = (world: World): World => edit(world, { dependsOn: dependsOn(world, "db") ? [] : ["db"] });
const killPod = (world: World): World =>
  put(world, "web", { pods: Math.max(0, (world.deployments.web?.pods ?? 0) - 1) });
const leave = (world: World): World =>
  world.deployments.web?.owner === "us" ? put(world, "web", { owner: "other" }) : world;

/** What can happen to each of the two. */
const ofSide = (side: "web" | "db"): [string, (linked: Linked) => Linked][] => [
  [`sync ${side}`, stepOf(side)],
  [`sync ${side}, and die before the status is written`, stepOf(side, "no status")],
  [`sync ${side}, and fail to apply`, stepOf(side, "nothing applied")],
  [`switch ${side} on or off`, on(side, switchBy("Spec"))],
  [`a command switches ${side} on or off`, on(side, switchBy("Command"))],
  [`pods of ${side} come or go as asked`, on(side, rollOut)],
  [`${side} is scaled to 0 by hand`, on(side, (world) => scaleByOthers(world, "web", 0))],
  [`${side} is scaled to 2 by hand`, on(side, (world) => scaleByOthers(world, "web", 2))],
  [`somebody asks for a restart of ${side}`, on(side, askRestart)],
];

const ACTIONS: readonly [string, (linked: Linked) => Linked][] = [
  ...ofSide("web"),
  ...ofSide("db"),
  ["a pod of db dies", on("db", killPod)],
  ["web depends on db, or does not any more", on("web", link)],
  ["the Deployment of db is deleted", on("db", (world) => put(world, "web", undefined))],
  ["another controller takes the Deployment of web", on("web", leave)],
  ["an edge of both schedules passes", ({ web, db }) => ({ web: passEdge(web), db: passEdge(db) })],
];

const faultAtRest = (linked: Linked): string | undefined => {
  const { web } = linked.web.deployments;
  if (web?.owner === "other") return faultOfSide(linked, "db");
  const restart = web === undefined ? undefined : faultOfRestart(linked.web, web);
  const isWaiting = linked.web.status?.waitingFor !== undefined;
  return faultOfSide(linked, "web") ?? faultOfSide(linked, "db") ?? (isWaiting ? undefined : restart);
};

/** A sync of each, and what goes by itself. */
const round = (linked: Linked): Linked =>
  on("db", rollOut)(stepOf("db")(on("web", rollOut)(stepOf("web")(linked))));

const settles = convergenceCheck<Linked>({
  keyOf: linkedKeyOf,
  next: round,
  faultAtRest,
  rounds: 10,
});

const linkedTo = { dependsOn: ["db"] };
const office = { schedule: [{ timeZone: "UTC", on: ["Mon-Fri 08:00-18:00"] }] };
const own = { deploymentName: "web" };
const both = (web: Partial<ToggleSpec>, db: Partial<ToggleSpec>, up: boolean): Linked => ({
  web: start({ ...web, ...linkedTo }, up ? 3 : 0),
  db: start({ ...db, ...own }, up ? 1 : 0),
});
const [isOn, isOff] = [{ enabled: true }, { enabled: false }];
const floor = { enabled: true, replicaPolicy: "Floor" } as const;
const SCHEDULED = "by the same schedule";

const CASES: Record<string, readonly Linked[]> = {
  "switched by hand": [
    both(isOn, isOn, true),
    both(isOff, isOff, true),
    both(isOn, isOff, false),
    both(isOn, isOff, true),
  ],
  Floor: [both(floor, floor, true)],
  [SCHEDULED]: [both(office, office, true)],
};
/** What goes the same way whatever switches. */
const APART_FROM_SCHEDULES = /by hand|restart|dies|takes the|deleted/;
const OF_SCHEDULES = /schedule|command/;

let states = 0;
for (const [name, worlds] of Object.entries(CASES)) {
  t.test(`${name}: no interleaving breaks the order, forgets a count or never rests`, async (t) => {
    const apart = name === SCHEDULED ? APART_FROM_SCHEDULES : OF_SCHEDULES;
    const actions = ACTIONS.filter(([action]) => !apart.test(action));
    const found = explore({
      // What is new to both, and what both have long seen.
      starts: worlds.flatMap((world) => [
        ...(name === SCHEDULED ? [] : [{ world, path: [] }]),
        { world: [1, 2, 3].reduce(round, world), path: ["both have come to rest"] },
      ]),
      actsOf: (world) => actions.map(([action, act]) => [action, () => act(world)]),
      keyOf: linkedKeyOf,
      faultOf: settles,
      depth: name === SCHEDULED ? DEPTH + 1 : DEPTH,
    });
    states += found.states;
    t.comment(`${found.states} states`);
    t.same(found.failures.slice(0, 5), []);
    t.ok(found.states > 1000, `${found.states} states`);
  });
}

t.test("how far it went", async (t) => t.comment(`${states} states`));
