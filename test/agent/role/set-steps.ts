// SPDX-License-Identifier: Apache-2.0
// Lets things happen to a simulated set of HSMs: syncs, orders, pulls and writes, by the real leases, decisions and pull plans.
import type { Order } from "../../../hooks/hsmdevice/role-orders.ts";
import type { Member, RoleReport, RoleState, RoleView } from "../../../hooks/hsmdevice/role-view.ts";
import { type Holding, refusalOf } from "../../../server/agent/mirror/plan-pull.ts";
import { nextStamp } from "../../../server/agent/storage/stamp.ts";
import type { RoleOrder } from "../../../server/agent-api/role-schema.ts";
import {
  agentAt,
  idOf,
  indexOf,
  instanceOf,
  leaseOf,
  type Parts,
  type SetWorld,
  type SimulatedAgent,
  timeText,
  type Written,
  withAgent,
} from "./set-world.ts";

const holdingOf = ({ token }: SimulatedAgent): Holding => {
  const { membership, written } = token;
  const held = written && {
    path: "p",
    checksum: String(written.value),
    keys: [],
    bytes: 0,
    stamp: written.stamp,
  };
  return {
    ...(membership !== undefined && { set: membership.set }),
    epoch: membership?.epoch ?? 0,
    secrets: held === undefined || written?.isDeleted === true ? [] : [held],
    tombstones: held !== undefined && written?.isDeleted === true ? [{ path: "p", ...held.stamp }] : [],
  };
};

const reportOf = (world: SetWorld, index: number): RoleReport => {
  const agent = agentAt(world, index);
  const lease = leaseOf(world, index);
  const { written, membership } = agent.token;
  const { mirror } = agent;
  return {
    ...lease.stub(),
    token: { ready: true },
    set: membership ?? null,
    secrets: written === undefined || written.isDeleted ? 0 : 1,
    versions: written?.stamp.version ?? 0,
    lease: lease.told(),
    position: agent.position,
    writing: 0,
    mirror:
      mirror === null
        ? null
        : {
            ...(mirror.holds !== undefined && { holds: mirror.holds }),
            epoch: mirror.epoch,
            ...(mirror.pulledAt !== undefined && { ageSeconds: world.time - mirror.pulledAt }),
            diverged: mirror.diverged,
          },
  };
};

const answers = (world: SetWorld, index: number): boolean => {
  const { isDown, isCutFromWebhook } = agentAt(world, index);
  return !isDown && !isCutFromWebhook;
};

const viewOf = (world: SetWorld, heard: readonly number[]): RoleView => ({
  now: timeText(world.time),
  rules: {
    set: "ns/set",
    policy: "ReadOnly",
    acknowledge: world.acknowledge,
    autoFailover: true,
    ...(world.primaryNode !== undefined && { primaryNode: world.primaryNode }),
    syncIntervalSeconds: 60,
  },
  state: world.status,
  members: world.agents.map(
    (_, index): Member => ({
      id: idOf(index),
      node: `node-${idOf(index)}`,
      ...(heard.includes(index) && { report: reportOf(world, index) }),
    }),
  ),
});

/** An order reaches its agent, which does what the route of PUT /v1/role does. */
export const deliver = (world: SetWorld, order: Order, parts: Parts): SetWorld => {
  const index = indexOf(order.member);
  const agent = agentAt(world, index);
  if (agent.isDown) return world;
  const lease = leaseOf(world, index);
  const sent: RoleOrder = {
    ...order,
    members: [...order.members],
    acks: order.acks && [...order.acks],
  } as RoleOrder;
  const wire = parts.received(sent, lease.stub().clockMs);
  const { membership, written } = agent.token;
  const check = lease.check(wire, { membership, isEmpty: written === undefined || written.isDeleted });
  if (check.kind === "refused") return world;
  const isOther = agent.order?.epoch !== wire.epoch || agent.order.primary !== wire.primary;
  lease.take(wire);
  const taken = lease.lastOrder();
  return withAgent(world, index, {
    token: check.write === undefined ? agent.token : { ...agent.token, membership: check.write },
    ...(taken !== undefined && { order: taken }),
    mirror: isOther ? null : agent.mirror,
  });
};

/** How one call of the sync hook ends. */
export type SyncFault = "orders-late" | "answers-lost" | "status-lost";

/** What the decision of a sync was, for the invariants. */
export type Decided = (before: SetWorld, after: RoleState, event: string | undefined) => void;

/** One sync, from the status that was read back to the one that is written. */
export const sync = (world: SetWorld, parts: Parts, fault?: SyncFault, decided?: Decided): SetWorld => {
  const heard = world.agents.map((_, index) => index).filter((index) => answers(world, index));
  const orders = parts.ordersOf(viewOf(world, heard));
  // Metacontroller has given up waiting: what the hook answers is not heard, and its orders arrive some time.
  if (fault === "orders-late") return { ...world, late: [...world.late, ...orders].slice(-3) };
  const after = orders.reduce((told, order) => deliver(told, order, parts), world);
  const ordered = new Set(orders.map(({ member }) => indexOf(member)));
  const stillHeard = fault === "answers-lost" ? heard.filter((index) => !ordered.has(index)) : heard;
  const { next, event } = parts.decideRoles(viewOf(after, stillHeard));
  decided?.(after, next, event);
  return fault === "status-lost" ? after : { ...after, status: next };
};

/** The world in which `taken` stands in place of `mine`: a copy must know of it, or both be deletions, by which nothing is lost. */
const replaced = (world: SetWorld, mine: Written, taken: Written, where: string): SetWorld => {
  const known = world.ancestors[taken.value] ?? [];
  if (known.includes(mine.value)) return world;
  if (!mine.isDeleted || !taken.isDeleted) {
    throw new Error(`write ${mine.value} on ${where} is silently overwritten by ${taken.value}`);
  }
  const both = [...new Set([...known, mine.value, ...(world.ancestors[mine.value] ?? [])])];
  return { ...world, ancestors: world.ancestors.map((one, at) => (at === taken.value ? both : one)) };
};

/** The mirror asks the primary of its last order for what is new. */
export const pull = (world: SetWorld, index: number, parts: Parts): SetWorld => {
  const agent = agentAt(world, index);
  const { order } = agent;
  if (order === undefined || order.role !== "mirror" || agent.isDown || agent.isCutFromAgents) return world;
  const source = agentAt(world, indexOf(order.primary));
  if (source.isDown || source.isCutFromAgents) return world;
  const [here, there] = [holdingOf(agent), holdingOf(source)];
  if (refusalOf(here, there) !== undefined) return world;
  const plan = parts.planPull(here, there);
  const { written } = source.token;
  const mine = agent.token.written;
  const isFollowed = plan.diverged.length === 0 && mine?.value !== written?.value;
  const taken = isFollowed && written !== undefined ? written : undefined;
  const after = taken === undefined || mine === undefined ? world : replaced(world, mine, taken, idOf(index));
  const instance = instanceOf(indexOf(order.primary), source);
  return withAgent(after, index, {
    token: taken === undefined ? agent.token : { ...agent.token, written: taken },
    mirror: {
      holds: { member: order.primary, instance, position: source.position },
      epoch: order.epoch,
      pulledAt: world.time,
      diverged: plan.diverged.length,
    },
  });
};

const holdsAll = (world: SetWorld, index: number, primary: number): boolean => {
  const { mirror } = agentAt(world, index);
  const source = agentAt(world, primary);
  return mirror?.holds?.instance === instanceOf(primary, source) && mirror.holds.position >= source.position;
};

/** A client writes to an agent: undefined where it is refused. */
export const write = (
  world: SetWorld,
  index: number,
  isDeleted: boolean,
  parts: Parts,
): SetWorld | undefined => {
  const agent = agentAt(world, index);
  const right = leaseOf(world, index).writeRight();
  if (agent.isDown || right.kind !== "granted" || right.acks?.length === 0) return undefined;
  const { written } = agent.token;
  const value = world.ancestors.length;
  const stamp = nextStamp(right.epoch, written === undefined ? [] : [written.stamp]);
  const earlier = written === undefined ? [] : [written.value, ...(world.ancestors[written.value] ?? [])];
  const made = {
    ...withAgent(world, index, {
      token: { ...agent.token, written: { value, stamp, isDeleted } },
      position: agent.position + 1,
    }),
    ancestors: [...world.ancestors, earlier],
  };
  const acks = (right.acks ?? []).map(indexOf);
  const after = acks.reduce<SetWorld>((told, mirror) => pull(told, mirror, parts), made);
  const isHeld = acks.every((mirror) => holdsAll(after, mirror, index));
  return isHeld ? { ...after, acknowledged: [...after.acknowledged, value] } : after;
};

/** `seconds` without any fault: a sync and a pull of everybody every ten seconds. */
export const quiet = (world: SetWorld, seconds: number, parts: Parts, decided?: Decided): SetWorld => {
  let after = world;
  for (let passed = 0; passed < seconds; passed += 10) {
    after = sync({ ...after, time: after.time + 10 }, parts, undefined, decided);
    for (const [index] of after.agents.entries()) after = pull(after, index, parts);
  }
  return after;
};
