// SPDX-License-Identifier: Apache-2.0
// Lets chance change a small cluster and the HSMDevice hooks answer, and looks after each sync for what must never happen.
import t from "tap";
import { pico, World } from "./world.ts";

const NODES = ["a", "b", "c"];
const IDS = ["A", "B"];
const RUNS = 60;
const STEPS = 40;

/** Park and Miller's generator: the same runs each time. */
const chance = (seed: number) => {
  let state = seed;
  return <T>(of: readonly T[]): T => {
    state = (state * 48271) % 2147483647;
    return of[state % of.length] as T;
  };
};

const toggle = <T>(set: Set<T>, value: T): void => {
  if (!set.delete(value)) set.add(value);
};

const step = (world: World, pick: ReturnType<typeof chance>): void => {
  const node = pick(NODES);
  const id = pick(IDS);
  const here = world.devices[node] ?? [];
  switch (pick(["plug", "plug", "silence", "break", "wait", "wait long"])) {
    case "plug":
      world.devices[node] = here.some((one) => one.id === id)
        ? here.filter((one) => one.id !== id)
        : [...here, pico(id)];
      break;
    case "silence":
      toggle(world.silent, node);
      break;
    case "break":
      toggle(world.broken, id);
      break;
    case "wait":
      world.time += 60;
      break;
    case "wait long":
      world.time += 700;
  }
};

/** Whether a report said that the device had left its node, and another says where it is. */
const isMoved = (world: World, gone: readonly string[], agent: string): boolean => {
  const [id] = agent.split("@");
  const isSeen = world.reports().some(({ devices }) => devices.some((device) => device.id === id));
  return gone.includes(`${agent} Gone`) && isSeen;
};

/** What one sync, from the agents `before` and the places `were` to those after it, must not have done. */
const wrongsOf = (world: World, before: readonly string[], were: readonly string[]): string[] => {
  const { agents } = world;
  const [ids, nodes] = [0, 1].map((part) => agents.map((one) => one.split("@")[part] ?? ""));
  const wrongs: string[] = [];
  if (new Set(ids).size < agents.length) wrongs.push("two agents of one device");
  if (world.plugins.size === 0 && new Set(nodes).size < agents.length) wrongs.push("two agents on one node");
  for (const one of before) {
    const [id = "", node = ""] = one.split("@");
    const isTaken = world.silent.has(node) && !ids?.includes(id);
    if (isTaken && !isMoved(world, were, one)) wrongs.push(`${one} went, and its node is silent`);
  }
  for (const one of agents.filter((agent) => !before.includes(agent))) {
    const [id, node = ""] = one.split("@");
    const isSeen = !world.silent.has(node) && world.devices[node]?.some((device) => device.id === id);
    if (!isSeen) wrongs.push(`${one} was made, and nobody saw the device`);
  }
  return wrongs;
};

/** The status after a few syncs in which nothing happens, and whether it rests. */
const rests = (world: World): boolean => {
  world.sync();
  world.sync();
  const settled = JSON.stringify(world.status);
  world.sync();
  return JSON.stringify(world.status) === settled;
};

/** Of every other run the nodes have a device plugin. */
const run = (seed: number): string[] => {
  const pick = chance(seed);
  const world = new World({ a: [], b: [], c: [] });
  if (seed % 2 === 0) world.plugins = new Set(NODES);
  const faults: string[] = [];
  for (let count = 0; count < STEPS; count++) {
    step(world, pick);
    const before = world.agents;
    const were = world.status === undefined ? [] : world.places;
    world.sync();
    const wrongs = wrongsOf(world, before, were);
    if (!rests(world)) wrongs.push("no rest");
    faults.push(
      ...wrongs.map((what) => `seed ${seed}, step ${count}: ${what} (${before} > ${world.agents})`),
    );
  }
  // What is plugged in once, on a node of its own that reports, ends with an agent.
  world.silent.clear();
  world.broken.clear();
  world.devices = { a: [pico("A")], b: [pico("B")], c: [] };
  world.run(1200);
  if (world.found.phase !== "Ready" || world.agents.join() !== "A@a,B@b") {
    faults.push(`seed ${seed}: ${world.places}`);
  }
  return faults;
};

t.test("whatever happens, no agent is doubled, misplaced, or taken by a missing report", async (t) => {
  const faults = Array.from({ length: RUNS }, (_, index) => run(index + 1)).flat();
  t.strictSame(faults.slice(0, 5), []);
});
