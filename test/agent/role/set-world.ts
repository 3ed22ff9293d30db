// SPDX-License-Identifier: Apache-2.0
// Describes a set of HSMs for the model check of its leases: agents with tokens in memory, the status, and orders on their way.
import { type Order, ordersOf } from "../../../hooks/hsmdevice/role-orders.ts";
import type { RoleState } from "../../../hooks/hsmdevice/role-view.ts";
import { decideRoles } from "../../../hooks/hsmdevice/roles.ts";
import { planPull } from "../../../server/agent/mirror/plan-pull.ts";
import { Lease, type SetMembership } from "../../../server/agent/role/lease.ts";
import type { Stamp } from "../../../server/agent/storage/stamp.ts";
import type { RoleOrder } from "../../../server/agent-api/role-schema.ts";

/** What is written at the one path: a number for each write, with a stamp. `isDeleted`: the write was a deletion. */
export type Written = { readonly value: number; readonly stamp: Stamp; readonly isDeleted: boolean };

type Token = { readonly membership?: SetMembership; readonly written?: Written };

type MirrorState = {
  readonly holds?: { readonly member: string; readonly instance: string; readonly position: number };
  readonly epoch: number;
  readonly pulledAt?: number;
  readonly diverged: number;
};

export type SimulatedAgent = {
  readonly token: Token;
  readonly starts: number;
  readonly isDown: boolean;
  /** Whether the webhook, or the other agents, can't reach it. */
  readonly isCutFromWebhook: boolean;
  readonly isCutFromAgents: boolean;
  readonly order?: RoleOrder;
  readonly mirror: MirrorState | null;
  readonly position: number;
  /** Its clock runs so much faster than the time. */
  readonly rate: number;
};

export type SetWorld = {
  /** Seconds. */
  readonly time: number;
  readonly agents: readonly SimulatedAgent[];
  readonly status: RoleState;
  /** Orders that are still on their way. */
  readonly late: readonly Order[];
  readonly acknowledge: "Primary" | "Mirror";
  readonly primaryNode?: string;
  /** Of each write, by its number: those that it has knowingly replaced. */
  readonly ancestors: readonly (readonly number[])[];
  readonly acknowledged: readonly number[];
};

/** What is checked: each part may be a broken one, to see that the model finds it. */
export type Parts = {
  readonly ordersOf: typeof ordersOf;
  readonly decideRoles: typeof decideRoles;
  readonly planPull: typeof planPull;
  /** An order as it is taken when it arrives at `clockMs` of the agent. */
  readonly received: (order: RoleOrder, clockMs: number) => RoleOrder;
};

const BEGIN = Date.UTC(2026, 0, 1);
export const timeText = (seconds: number): string =>
  new Date(BEGIN + seconds * 1000).toISOString().replace(".000Z", "Z");

export const idOf = (index: number): string => "ABC"[index] ?? "";
export const indexOf = (id: string): number => "ABC".indexOf(id);
export const instanceOf = (index: number, { starts }: SimulatedAgent): string => `${idOf(index)}${starts}`;

const clockOf = (world: SetWorld, index: number) => ({
  now: () => world.time * 1000 * (world.agents[index]?.rate ?? 1),
  after: () => () => {},
});

export const agentAt = (world: SetWorld, index: number): SimulatedAgent => {
  const agent = world.agents[index];
  if (agent === undefined) throw new Error(`no agent ${index}`);
  return agent;
};

/** The real lease of an agent, as its last order left it. */
export const leaseOf = (world: SetWorld, index: number): Lease => {
  const agent = agentAt(world, index);
  const lease = new Lease(clockOf(world, index), instanceOf(index, agent));
  if (agent.order !== undefined) lease.take(agent.order);
  return lease;
};

export const REAL: Parts = { ordersOf, decideRoles, planPull, received: (order) => order };

export const withAgent = (world: SetWorld, index: number, change: Partial<SimulatedAgent>): SetWorld => ({
  ...world,
  agents: world.agents.map((agent, at) => (at === index ? { ...agent, ...change } : agent)),
});

/** The agents that would take a write now. */
export const writers = (world: SetWorld): number[] =>
  world.agents
    .map((_, index) => index)
    .filter((index) => {
      const isUp = !agentAt(world, index).isDown;
      return isUp && leaseOf(world, index).writeRight().kind === "granted";
    });

export const writtenAt = (world: SetWorld, index: number): Written | undefined =>
  agentAt(world, index).token.written;

/** Whether the agent's token has the write, or one that knowingly replaced it. */
export const knows = (world: SetWorld, index: number, value: number): boolean => {
  const held = writtenAt(world, index)?.value;
  return held === value || (held !== undefined && world.ancestors[held]?.includes(value) === true);
};

/** Two worlds with the same key have the same future: times count from now. */
export const keyOf = (world: SetWorld): string => {
  const { time, agents, status, late, ...rest } = world;
  const since = (text: string | undefined) =>
    text === undefined ? undefined : time - (Date.parse(text) - BEGIN) / 1000;
  const orderKey = (order: RoleOrder | Order, index: number) => [
    order.epoch,
    order.role,
    order.primary,
    order.draining,
    order.acks,
    order.instance,
    Math.max(-40_000, Math.round(order.clockMs - clockOf(world, index).now())),
  ];
  return JSON.stringify([
    agents.map(({ order, mirror, ...agent }, index) => [
      agent,
      order && orderKey(order, index),
      mirror && [mirror.holds, mirror.epoch, mirror.diverged, Math.min(200, time - (mirror.pulledAt ?? 0))],
    ]),
    { ...status, unreachableSince: since(status.unreachableSince) },
    late.map((order) => [order.member, orderKey(order, indexOf(order.member))]),
    rest,
  ]);
};

/** A set of `count` members that was just made, with clocks at these rates. */
export const newSet = (rates: readonly number[], acknowledge: SetWorld["acknowledge"]): SetWorld => ({
  time: 1000,
  agents: rates.map((rate) => ({
    token: {},
    starts: 0,
    isDown: false,
    isCutFromWebhook: false,
    isCutFromAgents: false,
    mirror: null,
    position: 0,
    rate,
  })),
  status: {},
  late: [],
  acknowledge,
  ancestors: [],
  acknowledged: [],
});

/** The world when everything works again. What is late stays late. */
export const healed = (world: SetWorld): SetWorld => ({
  ...world,
  agents: world.agents.map((agent) => ({
    ...agent,
    isDown: false,
    isCutFromWebhook: false,
    isCutFromAgents: false,
  })),
});
