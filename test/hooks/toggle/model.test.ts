// SPDX-License-Identifier: Apache-2.0
// Model-checks the Toggle hooks: every interleaving, up to a depth, of switches, edges of a schedule, expiry, restarts, scaling by hand
// and by an autoscaler, Deployments that come and go, deletion in each way, crashes, and syncs.
import fc from "fast-check";
import t from "tap";
import type { ToggleSpec } from "../../../hooks/toggle/schema.ts";
import { convergenceCheck } from "../convergence.ts";
import { depthOf } from "../deep-models.ts";
import { explore } from "../exploring.ts";
import { isHeld } from "./model-invariants.ts";
import { askRestart, faultOfRestart, forgetRestart, restartByOthers } from "./model-restarts.ts";
import {
  freshWorld,
  isContended,
  isForbidden,
  isOn,
  isSwitched,
  keyOf,
  type Model,
  type Name,
  named,
  type World,
} from "./model-state.ts";
import { edit, forgetSwitch, passEdge, switchBy } from "./model-switches.ts";
import { create, orphan, put, raised, rollOut, scaleByOthers, step } from "./model-world.ts";
import { template } from "./request.ts";

/** Steps after the start; the cases that differ most can go one further. */
const DEPTH = 4;
const DEEPEST = depthOf(DEPTH, DEPTH + 1);
const DEEPER: ReadonlySet<string> = new Set(["Fixed", "Floor", "with a template"]);
const WALKS = depthOf(2000, 5000);
/** So often it may be quiet for eleven minutes. */
const MAX_QUIET = 1;

/** Something else sets the count again and again, and each time a sync sees it. */
const contend = (before: World): World => {
  const name = named(before);
  if (before.status === undefined || before.deployments[name]?.matches !== true) return before;
  const other = (world: World) => (world.deployments[name]?.replicas === 7 ? 8 : 7);
  const after = [1, 2, 3, 4].reduce((world) => step(scaleByOthers(world, name, other(world))).world, before);
  const model = after.deployments[name];
  const held = model !== undefined && model.owner === "us" && model.matches && after.deletion === "none";
  const fixed = after.spec.replicaPolicy !== "Floor" || !isOn(after);
  if (held && fixed && isSwitched(after) && !isHeld(after, model) && !isContended(after)) {
    throw new Error("nothing is told of a fight");
  }
  return after;
};

/** Nobody does anything for eleven minutes, but what goes by itself. */
const quiet = (before: World): World => {
  if (before.quiet === MAX_QUIET || before.status?.lastScaled === undefined) return before;
  const rested = [1, 2, 3].reduce((world) => rollOut(step(world).world), before);
  return { ...rested, quiet: before.quiet + 1, raises: 0 };
};

/** An autoscaler leaves a Deployment at 0 alone. */
const autoscale = (world: World, replicas: number): World =>
  (world.deployments.web?.replicas ?? 0) === 0 ? world : scaleByOthers(world, "web", replicas);

const take = (world: World, owner: "other" | "nobody"): World => {
  const from = owner === "other" ? "nobody" : "other";
  return world.deployments.web?.owner === from ? put(world, "web", { owner }) : world;
};

const createByOthers = (world: World, fields: { replicas?: number }): World =>
  world.deployments.web === undefined ? raised(create(world, "web", fields), "web") : world;

const relabel = (world: World, name: Name): World => {
  const matches = world.deployments[name]?.matches;
  return matches === undefined ? world : put(world, name, { matches: !matches });
};

const ACTIONS: Record<string, (world: World) => World> = {
  sync: (world) => step(world).world,
  "sync, and die before the status is written": (world) => ({
    ...step(world, "no status").world,
    applied: {},
  }),
  "sync, and fail to apply": (world) => step(world, "nothing applied").world,
  "restart the engine": (world) => ({ ...world, applied: {} }),
  "switch on or off": switchBy("Spec"),
  "a command switches on or off": switchBy("Command"),
  "an edge of the schedule passes": passEdge,
  "somebody takes out of the status who decided": forgetSwitch,
  "set until": (world) =>
    world.spec.schedule === undefined
      ? { ...world, until: world.until === "none" ? "future" : "none" }
      : world,
  "until passes": (world) => (world.until === "future" ? { ...world, until: "past" } : world),
  "somebody asks for a restart": askRestart,
  "the wish to restart is taken out": forgetRestart,
  "kubectl restarts": restartByOthers,
  "allow or forbid templates": (world) =>
    world.templates === "always"
      ? world
      : { ...world, templates: world.templates === "allowed" ? "forbidden" : "allowed" },
  "name the other": (world) => edit(world, { deploymentName: named(world) === "web" ? "api" : "web" }),
  "scale to 5 by hand": (world) => scaleByOthers(world, "web", 5),
  "scale to 0 by hand": (world) => scaleByOthers(world, "web", 0),
  "another controller scales again and again": contend,
  "eleven quiet minutes pass": quiet,
  "the autoscaler wants 4": (world) => autoscale(world, 4),
  "the autoscaler wants 2": (world) => autoscale(world, 2),
  "pods come or go as asked": rollOut,
  "a pod dies": (world) => put(world, "web", { pods: Math.max(0, (world.deployments.web?.pods ?? 0) - 1) }),
  "delete web": (world) => put(world, "web", undefined),
  "create web": (world) => createByOthers(world, {}),
  "create web at 0": (world) => createByOthers(world, { replicas: 0 }),
  "relabel web": (world) => relabel(world, "web"),
  "another controller takes web": (world) => take(world, "other"),
  "another controller leaves web": (world) => take(world, "nobody"),
  "create api, which matches too": (world) => create(world, "api", { replicas: 2 }),
  "scale api by hand": (world) => scaleByOthers(world, "api", 1),
  "relabel api": (world) => relabel(world, "api"),
  "delete the Toggle": (world) => (world.deletion === "none" ? { ...world, deletion: "background" } : world),
  "delete the Toggle with orphan": (world) =>
    world.deletion === "done" ? world : { ...world, deletion: "orphan" },
  "the garbage collector orphans": orphan,
};

/** What is wrong with a world in which nothing happens any more. */
const faultAtRest = (world: World): string | undefined => {
  if (world.deletion !== "none") return faultOfDeletion(world);
  const model = world.deployments[named(world)];
  const { phase } = world.status ?? {};
  if (isForbidden(world) && (model === undefined || (model.owner === "us" && model.made))) {
    return phase === "Blocked" ? undefined : `rests in ${phase} with a template that is not allowed`;
  }
  if (model?.owner === "us") return faultOfOwned(world, model);
  const expected = model === undefined ? "Missing" : "Conflict";
  return phase === expected ? undefined : `rests in ${phase}, not ${expected}`;
};

const faultOfDeletion = (world: World): string | undefined => {
  const owned = Object.values(world.deployments).filter(({ owner }) => owner === "us");
  if (world.deletion === "done") return owned.length === 0 ? undefined : "gone, and still an owner";
  return world.status?.phase === "Blocked" && owned.some(({ made }) => !made)
    ? undefined
    : `held up in ${world.status?.phase} with nothing to protect`;
};

const faultOfOwned = (world: World, model: Model): string | undefined => {
  const { replicas } = model;
  const { phase, desiredReplicas } = world.status ?? {};
  const on = isSwitched(world) ? isOn(world) : replicas > 0;
  const fought = on ? "Degraded" : "Stopping";
  const expected = isContended(world) ? fought : on ? "Running" : "Off";
  if (phase !== expected) return `rests in ${phase}, not ${expected}`;
  return replicas === desiredReplicas && replicas > 0 === on
    ? faultOfRestart(world, model)
    : `rests with ${replicas} replicas, ${desiredReplicas} wanted`;
};

/** What a world comes to in which everybody is quiet: with no fault, and with nobody who asks for another sync. */
const faultOfRest = (world: World): string | undefined => {
  const { resync } = step(orphan(world));
  const isAlive = world.deletion === "none";
  const isBlocked = isForbidden(world) && world.status?.phase === "Blocked";
  const waits =
    (isAlive && world.spec.schedule !== undefined) ||
    (isAlive && ((world.until === "future" && isOn(world)) || isBlocked)) ||
    isContended(world);
  return (resync === undefined) === waits
    ? `asks for a sync after ${resync} seconds`
    : (faultAtRest(world) ?? faultAfterFight(world));
};

/** What is wrong after eleven quiet minutes with a Toggle that was contended. */
const faultAfterFight = (world: World): string | undefined => {
  if (!isContended(world)) return undefined;
  const { world: after } = step({ ...world, quiet: world.quiet + 1 });
  if (isContended(after)) return "still contended when it has long been quiet";
  return faultAtRest(after);
};

const settles = convergenceCheck<World>({
  keyOf,
  next: (world) => rollOut(step(orphan(world)).world),
  faultAtRest: faultOfRest,
  rounds: 8,
});

const SCHEDULED = "with a schedule";
const RESTARTED = "with restarts";
const RESTARTS = /restart(s|$)|wish/;
/** What goes the same way whatever switches. */
const APART_FROM_SCHEDULES = /\bapi\b|until|templates|name the other|takes web|leaves web|autoscaler/;
const FORBIDDABLE = "with a template that may be forbidden";
const CASES: Record<string, Partial<ToggleSpec>> = {
  "not switched yet": {},
  Fixed: { enabled: true },
  "Fixed at 2": { enabled: true, replicas: 2 },
  Floor: { enabled: true, replicaPolicy: "Floor" },
  "Floor of 2": { enabled: true, replicaPolicy: "Floor", replicas: 2 },
  "with a template": { enabled: true, template },
  [FORBIDDABLE]: { enabled: true, template },
  [SCHEDULED]: { schedule: [{ timeZone: "UTC", on: ["Mon-Fri 08:00-18:00"] }] },
  [RESTARTED]: { enabled: true },
  "deletionPolicy Delete": { enabled: true, deletionPolicy: "Delete" },
};

const startOf = (name: string): World =>
  freshWorld(CASES[name] ?? {}, name === FORBIDDABLE ? "allowed" : "always");

let states = 0;
for (const name of Object.keys(CASES)) {
  t.test(`${name}: no interleaving deletes, forgets, lies or never rests`, async (t) => {
    const start = startOf(name);
    const isDeeper = DEEPER.has(name) && DEEPEST > DEPTH;
    // A fight is several steps in one already, and its cases are as deep without the other options.
    const actions = Object.entries(ACTIONS).filter(
      ([action, act]) =>
        (!isDeeper || (act !== contend && act !== quiet)) &&
        !((name === SCHEDULED || name === RESTARTED) && APART_FROM_SCHEDULES.test(action)) &&
        (name === RESTARTED || !RESTARTS.test(action)),
    );
    const found = explore({
      starts: [
        { world: start, path: [] },
        { world: create(start, "web", {}), path: ["web is there"] },
      ],
      actsOf: (world) => actions.map(([action, act]) => [action, () => act(world)]),
      keyOf,
      faultOf: settles,
      depth: isDeeper ? DEEPEST : DEPTH,
    });
    states += found.states;
    t.comment(`${found.states} states`);
    t.same(found.failures.slice(0, 5), []);
    t.ok(found.states > 1000, `${found.states} states`);
  });
}

t.test("long walks break nothing either", async (t) => {
  const steps = fc.constantFrom(...Object.keys(ACTIONS).filter((name) => !/Toggle|orphans/.test(name)));
  const last = fc.constantFrom("sync", "delete the Toggle", "delete the Toggle with orphan");
  const walks = fc.tuple(
    fc.constantFrom(...Object.keys(CASES)),
    // A sync is as likely as everything else together: without one nothing is decided.
    fc.array(fc.oneof(steps, fc.constant("sync")), { minLength: 30, maxLength: 60 }),
    last,
  );
  fc.assert(
    fc.property(walks, ([name, actions, end]) => {
      const before = [...actions, end].reduce(
        (world, action) => ACTIONS[action]?.(world) ?? world,
        startOf(name),
      );
      const fault = settles(before);
      if (fault !== undefined) throw new Error(fault);
    }),
    { numRuns: WALKS, seed: 20261122 },
  );
  t.pass(`${WALKS} walks`);
});

t.test("how far it went", async (t) => t.comment(`${states} states`));
