// SPDX-License-Identifier: Apache-2.0
// Remembers the users' updates in the two-way sync's model, and finds lost updates and false statuses.
import type { Reading } from "../../../hooks/hsmsecret/index.ts";
import { isUnedited, ownedSecretOf } from "../../../hooks/hsmsecret/observed.ts";
import { context } from "./request.ts";
import {
  areEqual,
  type Memory,
  pairOf,
  readyReason,
  secretSays,
  shownSecret,
  sorted,
  text,
  tokenSays,
  type World,
} from "./two-way-state.ts";

/**
 * `world` after Keyswitch has made the two sides the same, or found them so and written that down. That the users happen
 * to do so between two syncs is nothing that anybody has seen.
 */
export const remembered = (world: World): World => {
  if (!areEqual(world)) return world;
  const told =
    world.secret === undefined ||
    isUnedited(ownedSecretOf(shownSecret(world.secret), {}), context.checksums) === true;
  const { torn } = world.memory;
  const open = told || torn === undefined ? {} : { torn };
  // While the status shows a Conflict, the choice in it holds, also where it comes to the same two contents once more.
  const { shown, chosen } = world.memory;
  const visible = { ...(shown !== undefined && { shown }), ...(chosen !== undefined && { chosen }) };
  return { ...world, memory: { common: text(tokenSays(world)), ...open, ...visible } };
};

/**
 * Whether a side says what it said before a write whose note is lost, because the token's user removed the secret: then
 * nobody can tell it from a write that never landed.
 */
const couldBeBefore = ({ token, memory: { torn } }: World, side: "secret" | "token", said: string): boolean =>
  token?.source === undefined && (said === torn?.common || (side === "token" && said === torn?.token));

/** Whether the token's user has changed it since the two sides were last the same. */
const tokenHasUpdate = (world: World): boolean => {
  const said = text(tokenSays(world));
  const { common, accepted } = world.memory;
  return said !== (accepted === undefined ? common : "nothing") && !couldBeBefore(world, "token", said);
};

/** The same of the Secret. With a mapping, a key that is taken out is put back: that is no update. */
const secretHasUpdate = (world: World): boolean => {
  const { common, accepted } = world.memory;
  const said = secretSays(world);
  if (said === undefined || text(said) === (accepted ?? common)) return false;
  if (couldBeBefore(world, "secret", text(said))) return false;
  if (world.spec.data === undefined || common === "nothing" || accepted !== undefined) return true;
  const before: [string, string][] = JSON.parse(common);
  return Object.entries(said).some(([key, value]) => !before.some(([k, v]) => k === key && v === value));
};

/** Fails where an update of the user of `side` is about to be overwritten without having been chosen against. */
export const refuseLoss = (world: World, side: "token" | "secret"): void => {
  const { memory } = world;
  const winner = side === "token" ? "secret" : "hsm";
  const updated = side === "token" ? tokenHasUpdate(world) : secretHasUpdate(world);
  if (!updated || areEqual(world)) return;
  if (memory.shown === pairOf(world) && memory.chosen === winner) return;
  throw new Error(`an update of the ${side} is lost without a Conflict that was resolved against it`);
};

/** The status says nothing that is not so. */
export const checkStatus = (
  world: World,
  reading: Reading | undefined,
  status: Record<string, unknown> | undefined,
): void => {
  const equal = areEqual(world) && secretHasNothingElse(world);
  if (status?.syncStatus === "InSync" && (world.outage || !equal || reading === undefined)) {
    throw new Error(`the status is InSync with ${pairOf(world)}`);
  }
  if (readyReason(status) !== "Conflict") return;
  if (areEqual(world)) throw new Error("a Conflict between equal contents");
  if (world.memory.torn !== undefined || world.token === undefined) return;
  // Of a mapped key that was taken out nobody can tell what the rest looked like: beside a change of the token, a Conflict.
  const { common, accepted } = world.memory;
  const secretDiffers = text(secretSays(world)) !== (accepted ?? common);
  if (secretDiffers && tokenHasUpdate(world)) return;
  throw new Error(`a Conflict where one side alone has changed: ${pairOf(world)}`);
};

/** Whether the Secret has no key beside what it says. */
const secretHasNothingElse = (world: World): boolean =>
  world.secret !== undefined && sorted(shownSecret(world.secret).data ?? {}) === text(secretSays(world));

/** The memory after the status has been written: which Conflict it shows. */
export const shownBy = (world: World, status: Record<string, unknown> | undefined): Memory => {
  if (status?.conflict === undefined) {
    const { shown: _, ...rest } = withoutChoice(world.memory);
    return rest;
  }
  if (readyReason(status) !== "Conflict") return world.memory;
  const shown = pairOf(world);
  return shown === world.memory.shown ? world.memory : { ...withoutChoice(world.memory), shown };
};

/** The memory once the Secret has been told of the last write. */
export const untorn = ({ torn: _, ...memory }: Memory): Memory => memory;

const withoutChoice = ({ chosen: _, ...memory }: Memory): Memory => memory;
