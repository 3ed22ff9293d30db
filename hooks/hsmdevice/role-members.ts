// SPDX-License-Identifier: Apache-2.0
// Says which devices are the members of a set, where their agents are, and what they are asked and ordered.
import type { Assessment, Judgement } from "./assessment.ts";
import { type Decision, decide } from "./decide.ts";
import { AGENT_PORT, agentName } from "./names.ts";
import type { Pod } from "./objects.ts";
import type { ResolvedMirroring } from "./resolved-spec.ts";
import { type Order, ordersOf } from "./role-orders.ts";
import type { Member, RoleState, RoleView } from "./role-view.ts";
import type { HSMDeviceStatus } from "./schema.ts";

/** An agent that is to be asked for its role. */
export interface RoleQuestion {
  /** The device's id. */
  readonly id: string;
  /** Host and port; an IPv6 address is in brackets. */
  readonly address: string;
}

/** An order and the agent that it is for. */
export interface PlannedOrder extends RoleQuestion {
  readonly order: Order;
}

/** Where the agent listens: a pod that goes is asked while there is no other. */
const addressOf = (pods: readonly Pod[], node: string): string | undefined => {
  const here = pods.filter(({ spec, status }) => spec?.nodeName === node && status?.podIP !== undefined);
  const pod = here.find(({ metadata }) => metadata.deletionTimestamp === undefined) ?? here[0];
  const ip = pod?.status?.podIP;
  return ip && `${ip.includes(":") ? `[${ip}]` : ip}:${AGENT_PORT}`;
};

/** Whom the shell shall ask for its role: every agent that there is, where the devices are a set. */
export const planRoles = ({ parent, spec, observed }: Assessment): RoleQuestion[] => {
  const pods = observed.around?.agentPods;
  if (spec.mirroring === undefined || pods === undefined) return [];
  return [...observed.agents.values()].flatMap(({ id, node }) => {
    const address = addressOf(pods.get(agentName(parent, id)) ?? [], node);
    return address === undefined ? [] : [{ id, address }];
  });
};

/** Each device with an agent. An answer of another agent, whose pod has the address since, is none. */
const membersOf = (judgement: Judgement, decisions: readonly Decision[]): Member[] => {
  const { parent, roles } = judgement;
  const addresses = new Map(planRoles(judgement).map(({ id, address }) => [id, address]));
  return decisions
    .filter(({ hasAgent }) => hasAgent)
    .map(({ place: { id, node } }) => {
      const report = roles.get(id);
      const isIts = report?.device === agentName(parent, id) && report.node === node;
      const address = addresses.get(id);
      return { id, node, ...(address !== undefined && { address }), ...(isIts && { report }) };
    });
};

/** The part of a status that decides on roles, in one order. */
export const roleStateOf = (state: RoleState): Pick<HSMDeviceStatus, keyof RoleState> => {
  const { primary, epoch, unreachableSince, failoverCount, established } = state;
  const { preferredNode, handover, inSync, complete } = state;
  return {
    ...(primary !== undefined && { primary }),
    ...(epoch !== undefined && { epoch }),
    ...(failoverCount !== undefined && { failoverCount }),
    ...(unreachableSince !== undefined && { unreachableSince }),
    ...(established !== undefined && { established }),
    ...(preferredNode !== undefined && { preferredNode }),
    ...(handover !== undefined && { handover: { to: handover.to, since: handover.since } }),
    ...(inSync !== undefined && { inSync: [...inSync] }),
    ...(complete !== undefined && { complete: [...complete] }),
  };
};

/** What the roles of a set are decided from. */
export const viewOf = (
  judgement: Judgement,
  { policy, acknowledge, autoFailover, primaryNode, syncInterval }: ResolvedMirroring,
  decisions: readonly Decision[],
): RoleView => {
  const { namespace, name } = judgement.parent.metadata;
  const { now, lostSeconds } = judgement.context;
  return {
    now,
    ...(lostSeconds !== undefined && { lostSeconds }),
    rules: {
      set: `${namespace}/${name}`,
      policy,
      acknowledge,
      autoFailover,
      ...(primaryNode !== undefined && { primaryNode }),
      syncIntervalSeconds: syncInterval,
    },
    state: roleStateOf(judgement.before),
    members: membersOf(judgement, decisions),
  };
};

/** What the shell shall order, by the status that was read back. */
export const planOrders = (judgement: Judgement): PlannedOrder[] => {
  const { spec, observed } = judgement;
  if (spec.mirroring === undefined || observed.around === undefined) return [];
  const view = viewOf(judgement, spec.mirroring, decide(judgement, observed.around));
  return ordersOf(view).flatMap((order) => {
    const address = view.members.find(({ id }) => id === order.member)?.address;
    return address === undefined ? [] : [{ id: order.member, address, order }];
  });
};
