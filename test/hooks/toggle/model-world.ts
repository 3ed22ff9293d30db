// SPDX-License-Identifier: Apache-2.0
// Models the environment of the Toggle hooks: Deployments, their controller, the garbage collector, and Metacontroller's way of
// claiming, applying and skipping children. A step that breaks an invariant throws.
import type { ManagedFieldsEntry } from "../../../hooks/kubernetes.ts";
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import type { HookContext, ToggleSyncRequest } from "../../../hooks/toggle/index.ts";
import { BOT_MANAGER } from "../../../hooks/toggle/last-switch.ts";
import type { ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { finalize, sync } from "./hooks.ts";
import {
  checkAnswer,
  checkContention,
  checkCount,
  checkDecider,
  checkPhase,
  hadAfter,
  type Mishap,
} from "./model-invariants.ts";
import { restartedBy, restartedNew, withRestarted } from "./model-restarts.ts";
import {
  all,
  type Child,
  check,
  isChild,
  isForbidden,
  type Model,
  type Name,
  named,
  type World,
} from "./model-state.ts";
import { context, deployment, ownerReference, request, UID } from "./request.ts";

export const put = (world: World, name: Name, change: Partial<Model> | undefined): World => {
  const { [name]: before, ...rest } = world.deployments;
  if (change === undefined) {
    // With the Deployment goes what was noted on it; what the status says stays.
    const { [name]: _, ...had } = world.had;
    const { deploymentName, lastReplicas } = world.status ?? {};
    const kept = deploymentName === name && lastReplicas !== undefined ? { [name]: lastReplicas } : {};
    return { ...world, deployments: rest, had: { ...had, ...kept } };
  }
  if (before === undefined) return world;
  return { ...world, deployments: { ...rest, [name]: { ...before, ...change } } };
};

/** The world after somebody else has given `name` a count of its own; before the first status nothing is put back. */
export const raised = (world: World, name: Name): World =>
  name !== named(world) || world.status === undefined
    ? world
    : { ...world, raises: Math.min(3, world.raises + 1) };

/** Writes a count as somebody else does. */
export const scaleByOthers = (world: World, name: Name, replicas: number): World => {
  const scaled = scale(world, name, replicas);
  return scaled === world ? world : raised(scaled, name);
};

/** Writes a count as anybody may: a change moves the generation. */
const scale = (world: World, name: Name, replicas: number): World => {
  const before = world.deployments[name];
  if (before === undefined || before.replicas === replicas) return world;
  return put(world, name, { replicas, generation: before.generation + 1 });
};

/** A new Deployment, with a uid that nothing in the world refers to. */
export const create = (world: World, name: Name, fields: Partial<Model>): World => {
  if (world.deployments[name] !== undefined) return world;
  const text = JSON.stringify(world);
  let number = 1;
  while (text.includes(`uid-${number}`)) number += 1;
  const fresh: Model = {
    uid: `uid-${number}`,
    generation: 1,
    replicas: 3,
    matches: true,
    owner: "nobody",
    annotations: {},
    links: {},
    made: false,
    seen: 0,
    pods: 0,
    ...fields,
  };
  return { ...world, deployments: { ...world.deployments, [name]: fresh } };
};

export const shown = (name: Name, model: Model): Deployment => withRestarted(plain(name, model), model);

const plain = (name: Name, model: Model): Deployment =>
  deployment(
    model.replicas,
    {
      name,
      uid: model.uid,
      generation: model.generation,
      annotations: model.annotations,
      labels: { ...model.links, ...(model.matches && { app: "web" }) },
      ownerReferences:
        model.owner === "nobody" ? [] : [ownerReference(model.owner === "us" ? UID : "other", "other")],
    },
    {
      observedGeneration: model.seen,
      replicas: model.pods,
      updatedReplicas: model.pods,
      readyReplicas: model.pods,
      availableReplicas: model.pods,
    },
  );

/** Metacontroller adopts what matches and has no controller, and lets go of what matches no more; not while leaving. */
const claim = (world: World): World => {
  if (world.deletion !== "none") return world;
  return all(world).reduce((now, [name, { owner, matches }]) => {
    if (owner === "us" && !matches) return put(now, name, { owner: "nobody" });
    return owner === "nobody" && matches ? put(now, name, { owner: "us" }) : now;
  }, world);
};

/** When so many edges of the schedule have passed; 2026-11-23 is a Monday. */
const AFTER_EDGES = ["2026-11-23T10:", "2026-11-23T19:", "2026-11-24T10:"] as const;

/** What the API server notes of the last switch by hand. */
const switchNote = ({ hand }: World): { managedFields?: ManagedFieldsEntry[] } =>
  hand === undefined
    ? {}
    : {
        managedFields: [
          {
            manager: hand.by === "Command" ? BOT_MANAGER : "kubectl-edit",
            time: `${AFTER_EDGES[hand.edges]}00:00Z`,
            fieldsV1: { "f:spec": { "f:enabled": {} } },
          },
        ],
      };

const requestOf = (world: World): ToggleSyncRequest => {
  const children = all(world).filter(([, model]) => isChild(model));
  const related = all(world).filter(
    ([name, model]) => !isChild(model) && (world.deletion !== "none" || name === named(world)),
  );
  const until = { none: undefined, future: "2026-11-22T11:00:00Z", past: "2026-11-22T09:00:00Z" }[
    world.until
  ];
  const name = world.around === undefined ? {} : { name: world.around.name };
  return request({
    notSwitched: world.spec.enabled === undefined,
    spec: { ...world.spec, ...(until === undefined ? {} : { until }) },
    ...(world.status === undefined ? {} : { status: world.status }),
    metadata:
      world.deletion === "none"
        ? { ...name, generation: world.generation, ...switchNote(world) }
        : {
            ...name,
            generation: world.generation,
            deletionTimestamp: context.now,
            finalizers: ["m", ...(world.deletion === "orphan" ? ["orphan"] : [])],
          },
    owned: children.map(([name, model]) => shown(name, model)),
    related: [...related.map(([name, model]) => shown(name, model)), ...(world.around?.related ?? [])],
    finalizing: world.deletion !== "none",
  });
};

/** Applies one child of an answer, unless Metacontroller would skip it. */
const applyChild = (world: World, child: Child): World => {
  const { name, annotations = {}, labels = {} } = child.metadata;
  const { app, "app.kubernetes.io/managed-by": _, ...links } = labels;
  const before = world.deployments[name];
  const bytes = JSON.stringify(child);
  const { replicas } = child.spec;
  check(replicas !== undefined, `the count of ${name} is left out, which resets it to 1`);
  const count = replicas ?? 1;
  const applied = (now: World): World => {
    const { uid = "", generation = 0 } = now.deployments[name] ?? {};
    return { ...now, applied: { ...now.applied, [name]: { bytes, uid, generation } } };
  };
  if (before === undefined) {
    check(child.spec.template !== undefined, `${name} is made without a template`);
    check(!isForbidden(world), `${name} is made of a template that is not allowed`);
    return applied(
      create(world, name, {
        replicas: count,
        owner: "us",
        made: true,
        annotations,
        links,
        ...restartedNew(child),
      }),
    );
  }
  check(isChild(before), `${name} is not ours and is touched`);
  check(!before.made || child.spec.template !== undefined, `${name} is applied without its pods`);
  const last = world.applied[name];
  if (last?.bytes === bytes && last.uid === before.uid && last.generation === before.generation) return world;
  const restarted = put(world, name, restartedBy(before, child));
  return applied(put(scale(restarted, name, count), name, { annotations, links }));
};

/** The time at which the world's next sync is. */
const contextOf = ({ quiet, templates, spec, edges }: World): HookContext => ({
  templates: templates !== "forbidden",
  startTimeoutSeconds: 600,
  now: `${spec.schedule === undefined ? "2026-11-22T10:" : AFTER_EDGES[edges]}${String(11 * quiet).padStart(2, "0")}:00Z`,
});

export interface Stepped {
  readonly world: World;
  readonly resync: number | undefined;
}

const written = ({ hand }: World, status: ToggleStatus): Partial<World> => ({
  status,
  ...(hand?.seen === false && { hand: { ...hand, seen: true } }),
});

/** One sync of the engine. */
export const step = (before: World, mishap: Mishap = "none"): Stepped => {
  if (before.deletion === "done") return { world: before, resync: undefined };
  const world = claim(before);
  const input = requestOf(world);
  const finalizing = world.deletion !== "none";
  const { response } = finalizing ? finalize(input, contextOf(world)) : sync(input, contextOf(world));
  const children = response.children as unknown as Child[];
  const status = response.status as ToggleStatus | undefined;
  const resync = response.resyncAfterSeconds;
  if ("finalized" in response && response.finalized === true) {
    return { world: collect({ ...world, deletion: "done", status: undefined }), resync };
  }
  if (status === undefined) throw new Error("an answer without a status");
  checkAnswer(world, children, finalizing);
  let had = world.had;
  if (finalizing) check(status.phase === "Blocked", `the phase is ${status.phase} while it is deleted`);
  else {
    checkPhase(world, status, contextOf(world));
    checkDecider(world, status, resync);
    checkContention(world, status, input, contextOf(world));
    checkCount(
      world,
      children.find(({ metadata }) => metadata.name === named(world)),
    );
    had = hadAfter(world, status, mishap);
  }
  const manages = mishap !== "nothing applied" && world.deletion !== "orphan";
  const applied = manages ? children.reduce(applyChild, world) : world;
  return { world: { ...applied, had, ...(mishap === "no status" ? {} : written(world, status)) }, resync };
};

/** The garbage collector once the Toggle is gone: what it owned goes. */
const collect = (world: World): World =>
  all(world).reduce((now, [name, model]) => {
    if (model.owner !== "us") return now;
    check(
      model.made || (world.spec.deletionPolicy === "Delete" && name === named(world)),
      `${name} is deleted with the Toggle`,
    );
    return put(now, name, undefined);
  }, world);

/** The garbage collector lets go of everything, then of the finalizer. */
export const orphan = (world: World): World =>
  world.deletion !== "orphan"
    ? world
    : all(world).reduce<World>(
        (now, [name, { owner }]) => (owner === "us" ? put(now, name, { owner: "nobody" }) : now),
        { ...world, deletion: "background" as const },
      );

/** The Deployment controller brings every Deployment to its count. */
export const rollOut = (world: World): World =>
  all(world).reduce<World>(
    (now, [name, { generation, replicas }]) => put(now, name, { seen: generation, pods: replicas }),
    world,
  );
