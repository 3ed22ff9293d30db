// SPDX-License-Identifier: Apache-2.0
// Defines the invariants of the model check: nothing lost, nothing foreign touched, correct counts and phases.

import { secondsUntil } from "../../../hooks/rfc3339.ts";
import { REPLICAS_WHEN_ON } from "../../../hooks/toggle/deployment.ts";
import type { HookContext, ToggleSyncRequest } from "../../../hooks/toggle/index.ts";
import type { ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { sync } from "./hooks.ts";
import { isRestartDue } from "./model-restarts.ts";
import {
  all,
  type Child,
  check,
  handOf,
  isChild,
  isContended,
  isForbidden,
  isOn,
  isSwitched,
  isWaitingToStart,
  isWaitingToStop,
  type Model,
  type Name,
  named,
  type World,
} from "./model-state.ts";

/** Whether the spec's template, which is not allowed, holds the named Deployment as it is. */
export const isHeld = (world: World, model: Model | undefined): boolean =>
  isForbidden(world) && (model === undefined || (isChild(model) && model.made));

/** No owned Deployment is left out, and none but the named one is changed. */
export const checkAnswer = (world: World, children: readonly Child[], finalizing: boolean): void => {
  for (const [name, model] of all(world)) {
    const child = children.find(({ metadata }) => metadata.name === name);
    check(child !== undefined || !isChild(model), `${name} is owned and left out`);
    if (child === undefined || (name === named(world) && !finalizing && !isHeld(world, model))) continue;
    check(child.spec.replicas === model.replicas, `${name} has ${model.replicas} and is listed otherwise`);
  }
};

/** Whether a start that is under way made its last progress longer ago than it may take. */
const isOverdue = ({ progress }: ToggleStatus, { now, startTimeoutSeconds }: HookContext): boolean =>
  progress !== undefined && secondsUntil(now, progress.time) >= startTimeoutSeconds;

/** The phases that are true of the named Deployment. */
const truePhases = (world: World, status: ToggleStatus, context: HookContext): readonly string[] => {
  const phases = phasesInTime(world, status);
  return isOverdue(status, context) ? phases.map((one) => (one === "Starting" ? "Degraded" : one)) : phases;
};

/** The same as long as no start takes too long. */
const phasesInTime = (world: World, status: ToggleStatus): readonly string[] => {
  const model = world.deployments[named(world)];
  if (isHeld(world, model)) return ["Blocked"];
  if (model === undefined) return world.spec.template === undefined ? ["Missing"] : ["Starting", "Stopping"];
  if (!isChild(model)) return ["Conflict"];
  const { desiredReplicas: desired } = status;
  if (isContended({ ...world, status })) return [desired === 0 ? "Stopping" : "Degraded"];
  if (isRestartDue(world, model) && !isWaitingToStart(world, model)) return ["Starting"];
  return phasesOf(model, isOn(world) ? desired : 0);
};

/** The phases that are true of a Deployment of ours with nobody who fights for it. */
const phasesOf = ({ seen, generation, replicas, pods }: Model, desired: number | undefined): string[] => {
  const reported = seen >= generation;
  if (desired === 0) return [reported && replicas === 0 && pods === 0 ? "Off" : "Stopping"];
  if (!reported || replicas !== desired) return ["Starting"];
  return pods >= replicas ? ["Running"] : ["Starting", "Degraded"];
};

/** The phase and the counts say what the cluster shows. */
export const checkPhase = (world: World, status: ToggleStatus, context: HookContext): void => {
  const { phase, desiredReplicas: desired, availableReplicas: counted } = status;
  const model = world.deployments[named(world)];
  const ours = model !== undefined && isChild(model);
  const truth = truePhases(world, status, context);
  check(truth.includes(phase ?? ""), `the phase is ${phase} and not ${truth.join(" or ")}`);
  if (isSwitched(world)) check((desired === 0) === !isOn(world), `desired is ${desired}`);
  else if (ours) check(desired === model.replicas, `desired is ${desired}, and nobody has switched`);
  check(counted === (ours ? model.pods : model ? undefined : 0), `it counts ${counted} available`);
};

/** With a schedule the status says what decided and what comes next, and the next sync is asked for by then. */
export const checkDecider = (world: World, status: ToggleStatus, resync: number | undefined): void => {
  if (world.spec.schedule === undefined || status.phase === "Blocked") return;
  const expected = handOf(world)?.by ?? "Schedule";
  check(status.decidedBy === expected, `decided by ${status.decidedBy} and not ${expected}`);
  const next = { time: EDGES[world.edges], to: world.edges === 1 ? "On" : "Off" };
  const told = status.nextChange;
  check(told?.time === next.time && told?.to === next.to, `next is ${told?.to} at ${told?.time}`);
  check(resync !== undefined && resync <= 13 * 3600, `looked at again after ${resync} seconds`);
};
/** The edge after so many. */
const EDGES = ["2026-11-23T18:00:00Z", "2026-11-24T08:00:00Z", "2026-11-24T18:00:00Z"] as const;

/**
 * Somebody else is told to fight only where somebody scaled three times since it was quiet. A second look at the same
 * cluster says the same.
 */
export const checkContention = (
  world: World,
  status: ToggleStatus,
  input: ToggleSyncRequest,
  context: HookContext,
): void => {
  const contended = isContended({ ...world, status });
  check(!contended || world.raises === 3, `contended after ${world.raises} raises`);
  const again = sync({ ...input, parent: { ...input.parent, status } }, context).response.status;
  const { phase, desiredReplicas } = status;
  const once = sync({ ...input, parent: { ...input.parent, status: again ?? {} } }, context).response.status;
  check(JSON.stringify(once) === JSON.stringify(again), `${phase} at ${desiredReplicas} changes by itself`);
};

/** The count that is asked for is the one that the spec, an autoscaler or the past says. */
export const checkCount = (world: World, child: Child | undefined): void => {
  const model = world.deployments[named(world)];
  if (model === undefined || child === undefined || isHeld(world, model)) return;
  const asked = child.spec.replicas;
  if (isWaitingToStart(world, model) || isWaitingToStop(world, model)) {
    check(asked === model.replicas, `${asked} asked for while it waits for another`);
    return;
  }
  if (!isOn(world)) {
    check(!isSwitched(world) || asked === 0, `${asked} asked for, and it is off`);
    return;
  }
  if (!isSwitched(world)) {
    check(
      child.spec.replicas === model.replicas,
      `${child.spec.replicas} asked for, and nobody has switched`,
    );
    return;
  }
  const { replicas: wanted, replicaPolicy } = world.spec;
  const had = world.had[named(world)];
  const floor = wanted ?? 1;
  const expected =
    model.replicas === 0
      ? (wanted ?? had ?? 1)
      : replicaPolicy === "Floor"
        ? Math.max(floor, model.replicas)
        : (wanted ?? had ?? model.replicas);
  check(child.spec.replicas === expected, `${child.spec.replicas} replicas are asked for, not ${expected}`);
};

/** How a sync can go wrong after the hook has answered. */
export type Mishap = "none" | "no status" | "nothing applied";

/** What the Deployment must get back after this sync; throws where the status forgets it. */
const remember = (world: World, status: ToggleStatus): number | undefined => {
  const model = world.deployments[named(world)];
  const had = world.had[named(world)];
  const { lastReplicas } = status;
  if (model === undefined || !isChild(model) || isHeld(world, model)) return had;
  if (!isSwitched(world)) {
    const expected = model.replicas === 0 ? had : model.replicas;
    check(lastReplicas === expected, `${lastReplicas} remembered while not switched, not ${expected}`);
    return lastReplicas;
  }
  if (isWaitingToStart(world, model)) {
    check(lastReplicas === had, `${lastReplicas} remembered while it waits, not ${had}`);
    return lastReplicas;
  }
  if (isOn(world)) {
    const expected = model.replicas === 0 ? (had ?? status.desiredReplicas) : status.desiredReplicas;
    check(lastReplicas === expected, `${lastReplicas} remembered while on, not ${expected}`);
    return lastReplicas;
  }
  const allowed = model.replicas === 0 ? [had] : [had ?? model.replicas, model.replicas];
  check(allowed.includes(lastReplicas), `${lastReplicas} remembered, not ${allowed.join(" or ")}`);
  return lastReplicas;
};

/** What each Deployment must get back after this sync. */
export const hadAfter = (world: World, status: ToggleStatus, mishap: Mishap): World["had"] => {
  const name = named(world);
  const other: Name = name === "web" ? "api" : "web";
  const { [name]: before, ...rest } = world.had;
  const others: Partial<Record<Name, number>> = rest;
  // The status speaks of one Deployment. Of another one the note of its 0 is kept, until it is ours with another count.
  const model = world.deployments[other];
  const isNoted =
    model?.annotations[REPLICAS_WHEN_ON] !== undefined && (model.replicas === 0 || !isChild(model));
  const isStored = mishap === "no status" && world.status?.deploymentName === other;
  if (status.deploymentName === name && !isNoted && !isStored) delete others[other];
  const last = remember(world, status);
  const note = world.deployments[name]?.annotations[REPLICAS_WHEN_ON];
  // Where the status is not written, only what is noted on the Deployment is new; where nothing is applied, an old note stays.
  const unwritten = note === undefined ? before : last;
  const unapplied = note === undefined ? last : Number(note);
  const whenOn = { none: last, "no status": unwritten, "nothing applied": unapplied }[mishap];
  const there = world.deployments[name];
  const keepsPods = there !== undefined && isWaitingToStop(world, there);
  const isDown = there !== undefined && isWaitingToStart(world, there);
  // A count is noted with the 0 that is written; what keeps its pods has no such note.
  const now = (isOn(world) && !isDown) || keepsPods ? whenOn : last;
  return now === undefined ? others : { ...others, [name]: now };
};
