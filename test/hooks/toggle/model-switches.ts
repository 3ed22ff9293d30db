// SPDX-License-Identifier: Apache-2.0
// Models what people, commands and the clock do to a Toggle's spec and to what its status remembers of switches.
import type { ToggleSpec } from "../../../hooks/toggle/schema.ts";
import type { World } from "./model-state.ts";

/** The world after somebody has changed the spec. */
export const edit = (world: World, spec: Partial<ToggleSpec>): World =>
  world.deletion === "done"
    ? world
    : { ...world, spec: { ...world.spec, ...spec }, generation: nextGeneration(world) };

/** Somebody, or a command, switches to what it is not. */
export const switchBy =
  (by: "Command" | "Spec") =>
  (world: World): World => {
    if (world.spec.schedule === undefined) {
      return by === "Command" ? world : edit(world, { enabled: world.spec.enabled === false });
    }
    if (world.hand?.seen === false && world.status !== undefined) return world;
    const on = world.spec.enabled === false;
    return { ...edit(world, { enabled: on }), hand: { on, by, edges: world.edges, seen: false } };
  };

/** The next edge of the schedule, hours later. */
export const passEdge = (world: World): World => {
  if (world.spec.schedule === undefined || world.edges === 2) return world;
  return { ...world, edges: world.edges === 0 ? 1 : 2, raises: 0 };
};

/** Somebody takes out of the status what it remembers of switches. */
export const forgetSwitch = (world: World): World => {
  if (world.status?.switched === undefined) return world;
  const { switched, decidedBy, nextChange, ...status } = world.status;
  return { ...world, status };
};

const nextGeneration = ({ generation, status }: World): 1 | 2 =>
  status?.observedGeneration === generation && status.lastScaled !== undefined
    ? generation === 1
      ? 2
      : 1
    : generation;
