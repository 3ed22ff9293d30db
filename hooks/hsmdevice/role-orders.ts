// SPDX-License-Identifier: Apache-2.0
// Makes the orders by which agents get their roles: leases, granted only from a status that was read back.
import { answers, keepsUp, type RoleView } from "./role-view.ts";

/** How long a lease runs, in seconds. */
export const LEASE_SECONDS = 30;

/** What an agent is told to be, but for what the shell adds: `instance` and `clockMs` are those of its report. */
export interface Order {
  readonly set: string;
  readonly epoch: number;
  readonly role: "primary" | "mirror";
  readonly primary: string;
  readonly member: string;
  readonly ttlSeconds: number;
  readonly instance: string;
  readonly clockMs: number;
  readonly found?: true;
  readonly draining?: true;
  readonly policy: "ReadOnly" | "Active";
  readonly acks?: readonly string[];
  readonly members: readonly { readonly id: string; readonly address?: string }[];
  readonly syncIntervalSeconds: number;
}

/** What every agent is told in the same way. */
const sharedOrder = ({ rules, members }: RoleView, primary: string, epoch: number) => ({
  set: rules.set,
  epoch,
  primary,
  ttlSeconds: LEASE_SECONDS,
  policy: rules.policy,
  members: members.map(({ id, address }) => ({ id, ...(address !== undefined && { address }) })),
  syncIntervalSeconds: rules.syncIntervalSeconds,
});

/** What the primary is told beside that; undefined: nothing, so that its lease ends. */
const primaryOrder = (view: RoleView, isNew: boolean) => {
  const { state, rules } = view;
  if (state.unreachableSince !== undefined || (isNew && state.established === true)) return undefined;
  return {
    role: "primary" as const,
    ...(isNew && { found: true as const }),
    ...(state.handover !== undefined && { draining: true as const }),
    ...(rules.acknowledge === "Mirror" && { acks: acksOf(view) }),
  };
};

/**
 * What each agent that answered is told, by the status that was read back. While the status says that the primary is out of reach it
 * is told nothing: another one may be about to be chosen.
 */
export const ordersOf = (view: RoleView): Order[] => {
  const { primary, epoch } = view.state;
  if (primary === undefined || epoch === undefined) return [];
  const shared = sharedOrder(view, primary, epoch);
  return view.members.filter(answers).flatMap((member): Order[] => {
    const { instance, clockMs, set = null, secrets } = member.report;
    if (set !== null && (set.set !== view.rules.set || set.epoch > epoch)) return [];
    const isNew = set === null;
    const mirror = isNew && secrets !== 0 ? undefined : ({ role: "mirror" } as const);
    const own = member.id === primary ? primaryOrder(view, isNew) : mirror;
    return own === undefined ? [] : [{ ...shared, ...own, member: member.id, instance, clockMs }];
  });
};

/** Whom the primary waits for: those that the status counts on, and those that keep up and are to be counted on next. */
const acksOf = (view: RoleView): string[] => {
  const { members, state } = view;
  const primary = members.find(({ id }) => id === state.primary);
  const joining =
    primary === undefined || !answers(primary)
      ? []
      : members.filter((member) => member !== primary && keepsUp(view, member, primary));
  return [...new Set([...(state.inSync ?? []), ...joining.map(({ id }) => id)])].sort();
};
