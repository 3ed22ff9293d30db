// SPDX-License-Identifier: Apache-2.0
// Kills the PKCS#11 child process at each module call of one change, and reads what the next child shows.
import { randomBytes } from "node:crypto";
import type { Test } from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import type { Change } from "../../../server/agent/store.ts";
import type { Fixture, WatchedStore } from "./token-fixture.ts";

/** Keys of a secret, by name. */
export type Keys = ReadonlyMap<string, Uint8Array>;

/** Values that were never there before. */
export const someKeys = (names: readonly string[], bytes = 24): Keys =>
  new Map(names.map((name) => [name, new Uint8Array(randomBytes(bytes))]));

export type Scenario = {
  /** Prepares the path; answers what it holds then. */
  before: (store: WatchedStore, path: string) => Promise<Keys | undefined>;
  /** The change, and what the path holds once it is made. */
  change: () => { change: Change; after: Keys | undefined };
  /** How many data objects may be on the token when it is over: before the change, or after it. */
  objects: { before: number; after: number };
};

export type Killed = { points: number; old: number; new: number };

/** Calls that change the token. */
const CHANGING = ["C_CreateObject", "C_DestroyObject"];

/** A write that follows at once on another makes so many calls less, or more, than one that does not. */
const SPARED = 3;

/**
 * Where a child is killed: in place of every call, or of each that changes the token. Between two of those there are only
 * calls that read, so that the token is the same at all of them.
 */
const placesOf = (calls: readonly string[], every: boolean): string[] => {
  const count = every ? calls.length + SPARED : calls.filter((name) => CHANGING.includes(name)).length;
  return Array.from({ length: count }, (_, index) => `${every ? "any" : "changing"} ${index + 1}`);
};

const sumOf = (keys: Keys | undefined): string | null => (keys === undefined ? null : checksum(keys));

/** Which of the two contents the path has, and what is wrong with that. */
const lookAt = async (
  store: WatchedStore,
  path: string,
  { before, after }: { before: string | null; after: string | null },
  expected: Scenario["objects"],
): Promise<{ side?: "before" | "after"; fault?: string }> => {
  const read = await store.read(path);
  const holds = read.kind === "found" ? read.checksum : read.kind === "absent" ? null : read.kind;
  const info = await store.info();
  const objects = info.kind === "info" ? info.objects : -1;
  const side = holds === after ? "after" : holds === before ? "before" : undefined;
  if (side === undefined) return { fault: `${path}: torn: ${JSON.stringify(read)}` };
  if (objects === expected[side]) return { side };
  return { side, fault: `${path}: ${objects} objects, and not ${expected[side]}, with the ${side} content` };
};

/**
 * Runs the scenario once to learn its calls, then on a path of its own for each call at which the child is killed. Asserts
 * that each time the secret is whole, old or new, that nothing is left over, and that a change that was answered as done is
 * there.
 */
export const killAtEachCall = async (
  t: Test,
  { module }: Fixture,
  store: WatchedStore,
  scenario: Scenario,
  { every = false }: { every?: boolean } = {},
): Promise<Killed> => {
  const killed: Killed = { points: 0, old: 0, new: 0 };
  const faults: string[] = [];

  /** Makes the change, and kills in `place` of a call; notes what is wrong afterwards. */
  const tryAt = async (
    path: string,
    place?: string,
  ): Promise<"before" | "after" | "not killed" | undefined> => {
    module.control();
    const before = sumOf(await scenario.before(store, path));
    const { change, after: keys } = scenario.change();
    const after = sumOf(keys);
    // So that what follows is the change's own calls, and not those of a child that starts.
    await store.refresh();
    module.forgetCalls();
    if (place !== undefined) module.control(`kill ${place}`);
    const result = await store.change(path, change);
    module.control();
    calls = module.allCalls();
    await store.refresh();
    const { side, fault } = await lookAt(store, path, { before, after }, scenario.objects);
    if (fault !== undefined) faults.push(fault);
    const isKilled = result.kind === "uncertain";
    if (!isKilled && side !== "after") faults.push(`${path}: not made: ${JSON.stringify(result)}`);
    if (place?.startsWith("changing") && !isKilled) faults.push(`${path}: lived on`);
    await store.change(path, { type: "delete" });
    return isKilled ? side : "not killed";
  };

  let calls: string[] = [];
  await tryAt("secrets/kill/nowhere");
  for (const place of placesOf(calls, every)) {
    const side = await tryAt(`secrets/kill/at-${place.replace(" ", "-")}`, place);
    if (side === "not killed") continue;
    killed.points += 1;
    if (side === "after") killed.new += 1;
    else killed.old += 1;
  }
  t.same(faults, []);
  t.ok(killed.points > 1, "there were calls");
  return killed;
};
