// SPDX-License-Identifier: Apache-2.0
// Defines the actions of users on both sides of the two-way sync's model.
import type { StringMap } from "../../../hooks/kubernetes.ts";
import { edited } from "./cluster-keys.ts";
import { untorn } from "./two-way-memory.ts";
import type { World } from "./two-way-state.ts";

/** The user of the token writes or removes the secret; another writer's note stays with what it does not touch. */
export const tokenUser = (world: World, data: StringMap | undefined): World => {
  const source = world.token?.source;
  const token = data === undefined ? undefined : { data, ...(source === undefined ? {} : { source }) };
  return { ...world, token };
};

/** The user of the Secret sets or removes a key. */
export const secretUser = (world: World, key: string, value: string | undefined): World => {
  if (world.secret === undefined || world.secret.keys[key]?.value === value) return world;
  const clock = world.clock + 1;
  const keys = edited(world.secret.keys, key, value);
  return { ...world, clock, secret: { ...world.secret, version: clock, keys } };
};

/** The user deletes the Secret: whatever was in it is meant to go. */
export const deleteSecret = (world: World): World => ({
  ...world,
  secret: undefined,
  memory: untorn(world.memory),
});

/** The user sets or removes the annotation. It is a choice for the Conflict that was shown last, if that is still open. */
export const choose = (world: World, resolve: string | undefined): World => {
  const { chosen: _, ...memory } = world.memory;
  const meant = resolve !== undefined && memory.shown !== undefined;
  // Setting the value that is there already is no change that a cluster would notice.
  if (resolve === world.resolve) return world;
  return { ...world, resolve, memory: { ...memory, ...(meant ? { chosen: resolve } : {}) } };
};

/** What the token's user writes in the middle of a sync. */
export const meantime = ({ token }: World): StringMap => {
  const value = token?.data.password === "bWVhbnRpbWU=" ? "YWdhaW4=" : "bWVhbnRpbWU=";
  return { password: value, user: value };
};
