// SPDX-License-Identifier: Apache-2.0
// Lists what can happen to a simulated set of HSMs, and what must hold then and when everything works again.
import type { RoleState } from "../../../hooks/hsmdevice/role-view.ts";
import type { Act } from "../../hooks/exploring.ts";
import { deliver, pull, quiet, type SyncFault, sync, write } from "./set-steps.ts";
import {
  healed,
  idOf,
  indexOf,
  knows,
  type Parts,
  type SetWorld,
  type SimulatedAgent,
  withAgent,
  writers,
  writtenAt,
} from "./set-world.ts";

const MAX_WRITES = 4;
const FAULTS: readonly (SyncFault | undefined)[] = [undefined, "orders-late", "answers-lost", "status-lost"];

/** A primary that works keeps its role: nobody follows one that answered, or that was lost for less than 40 s. */
const checkDecision = (before: SetWorld, after: RoleState, event: string | undefined): void => {
  if (event !== "failover") return;
  const lost = before.agents[indexOf(before.status.primary ?? "")];
  const since = Date.parse(before.status.unreachableSince ?? "");
  const lostFor = before.time - (since - Date.UTC(2026, 0, 1)) / 1000;
  if (lost?.isDown === false && !lost.isCutFromWebhook) {
    throw new Error(`${after.primary} follows one that works`);
  }
  if (!(lostFor >= 40)) throw new Error(`${after.primary} follows after ${lostFor} s`);
};

type Moves = [name: string, act: () => SetWorld][];

const started = (world: SetWorld, index: number, { order: _, ...agent }: SimulatedAgent): SetWorld => ({
  ...world,
  agents: world.agents.map((one, at) =>
    at === index ? { ...agent, isDown: false, starts: agent.starts + 1, mirror: null, position: 0 } : one,
  ),
});

/** What can happen to one agent. */
const agentMoves = (world: SetWorld, index: number, agent: SimulatedAgent, parts: Parts): Moves => {
  const name = idOf(index);
  const isWriter = world.ancestors.length < MAX_WRITES && writers(world).includes(index);
  const flip = (field: "isDown" | "isCutFromWebhook" | "isCutFromAgents"): Moves[number] => [
    `${field} ${name} ${!agent[field]}`,
    () => withAgent(world, index, { [field]: !agent[field] }),
  ];
  const put = (isDeleted: boolean): Moves[number] => [
    `${isDeleted ? "delete" : "write"} ${name}`,
    () => write(world, index, isDeleted, parts) ?? world,
  ];
  return [
    flip("isCutFromWebhook"),
    flip("isCutFromAgents"),
    agent.isDown ? [`start ${name}`, () => started(world, index, agent)] : flip("isDown"),
    ...(agent.order?.role === "mirror" ? ([[`pull ${name}`, () => pull(world, index, parts)]] as Moves) : []),
    ...(isWriter ? [put(false)] : []),
    ...(isWriter && writtenAt(world, index) !== undefined ? [put(true)] : []),
  ];
};

const allMoves = (world: SetWorld, parts: Parts): Moves => [
  ...FAULTS.map((fault): Moves[number] => [
    `sync ${fault ?? ""}`,
    () => sync(world, parts, fault, checkDecision),
  ]),
  ...[5, 10, 30].map((seconds): Moves[number] => [
    `${seconds} s`,
    () => ({ ...world, time: world.time + seconds }),
  ]),
  ...world.late.map((order, at): Moves[number] => [
    `late order for ${order.member}`,
    () => deliver({ ...world, late: world.late.filter((_, index) => index !== at) }, order, parts),
  ]),
  ...world.agents.flatMap((agent, index) => agentMoves(world, index, agent, parts)),
];

/** Throws where what must hold at any time does not. */
const checked = (world: SetWorld): SetWorld => {
  const writing = writers(world);
  if (writing.length > 1) throw new Error(`two take writes: ${writing.map(idOf).join(", ")}`);
  const [primary] = writing;
  for (const value of world.acknowledged) {
    if (!world.agents.some((_, index) => knows(world, index, value))) {
      throw new Error(`write ${value} is lost`);
    }
    if (world.acknowledge === "Mirror" && primary !== undefined && !knows(world, primary, value)) {
      throw new Error(`write ${value} was acknowledged and is not on the new primary`);
    }
  }
  return world;
};

/** What can happen next, each checked. */
export const movesOf =
  (parts: Parts) =>
  (world: SetWorld): Act<SetWorld>[] =>
    allMoves(world, parts).map(([name, act]) => [name, () => checked(act())]);

const secretAt = (world: SetWorld, index: number): number | undefined => {
  const written = writtenAt(world, index);
  return written?.isDeleted === true ? undefined : written?.value;
};

/** Why the token of `index` differs from the primary's without saying so; undefined: it does not. */
const differenceOf = (world: SetWorld, index: number, primary: number): string | undefined => {
  const here = secretAt(world, index);
  if (here === secretAt(world, primary)) return undefined;
  if (world.agents[index]?.mirror?.diverged !== 1) return `${idOf(index)} differs, and does not say so`;
  const isKept = world.acknowledge === "Mirror" && here !== undefined && world.acknowledged.includes(here);
  return isKept ? `acknowledged write ${here} has diverged` : undefined;
};

/** What is wrong with how a world ends when everything works again. */
export const faultOf =
  (parts: Parts) =>
  (world: SetWorld): string | undefined => {
    const settled = quiet(healed(world), 150, parts, checkDecision);
    const after = checked(quiet(settled, 30, parts, checkDecision));
    if (after.status.epoch !== settled.status.epoch) return "the role changes in quiet";
    const [primary, ...others] = writers(after);
    if (primary === undefined || others.length > 0) return "not one takes writes";
    const differences = after.agents.map((_, index) => differenceOf(after, index, primary));
    return differences.find((difference) => difference !== undefined);
  };
