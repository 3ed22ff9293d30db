// SPDX-License-Identifier: Apache-2.0
// Defines what the choice of a primary is made from: the status that was read back, the rules of the spec, and what each agent said.

/** A mirror whose last whole pull is older than this many of its intervals and a minute is not complete. */
const COMPLETE_INTERVALS = 2;
/** A mirror that is behind for longer is not waited for any more. */
const BEHIND_SECONDS = 15;

/** What an agent said of itself (server/agent-api/role-schema.ts). */
export interface RoleReport {
  readonly instance: string;
  readonly clockMs: number;
  readonly token: { readonly ready: boolean; readonly code?: string };
  readonly set?: { readonly set: string; readonly epoch: number } | null;
  readonly secrets?: number;
  readonly versions?: number;
  readonly lease: {
    readonly role: "primary" | "mirror";
    readonly epoch: number;
    readonly primary: string;
    readonly draining: boolean;
    readonly acks?: readonly string[];
  } | null;
  readonly position: number;
  readonly writing: number;
  readonly mirror: {
    readonly holds?: { readonly member: string; readonly instance: string; readonly position: number };
    readonly epoch: number;
    readonly ageSeconds?: number;
    readonly failed?: { readonly paths: number; readonly code: string };
    readonly diverged: number;
  } | null;
}

/** A device that has an agent. `report`: absent where its agent did not answer. */
export interface Member {
  readonly id: string;
  readonly node: string;
  readonly address?: string;
  readonly report?: RoleReport;
}

/** The part of the status that decides. All of it is absent before the first choice. */
export interface RoleState {
  /** Id of the primary. */
  readonly primary?: string;
  readonly epoch?: number;
  /** Since when the primary can't be reached, or its token read. RFC 3339. While it is there, nobody is granted writes. */
  readonly unreachableSince?: string;
  readonly failoverCount?: number;
  /** True once the token of a primary was seen to belong to the set: it is not founded a second time. */
  readonly established?: boolean;
  /** The spec's primaryNode as it was last followed; a change of it is a hand-over. */
  readonly preferredNode?: string;
  readonly handover?: { readonly to: string; readonly since: string };
  /** Members that hold every acknowledged write, with acknowledge: Mirror. */
  readonly inSync?: readonly string[];
  /** With acknowledge: Primary, the members that were complete when the primary was last looked at. */
  readonly complete?: readonly string[];
}

interface RoleRules {
  readonly set: string;
  readonly policy: "ReadOnly" | "Active";
  readonly acknowledge: "Primary" | "Mirror";
  readonly autoFailover: boolean;
  readonly primaryNode?: string;
  readonly syncIntervalSeconds: number;
}

export interface RoleView {
  readonly now: string;
  /** See HookContext. */
  readonly lostSeconds?: number;
  readonly rules: RoleRules;
  /** As the request had it. */
  readonly state: RoleState;
  /** Sorted by id. */
  readonly members: readonly Member[];
}

export type Answering = Member & { readonly report: RoleReport };

export const answers = (member: Member): member is Answering =>
  member.report?.token.ready === true && member.report.set !== undefined;

export const epochOf = ({ report }: Answering, set: string): number =>
  report.set?.set === set ? report.set.epoch : 0;

/** Whether the token belongs to the set, in no later epoch than the status knows. */
export const belongs = (view: RoleView, member: Member): member is Answering =>
  answers(member) &&
  member.report.set?.set === view.rules.set &&
  member.report.set.epoch <= (view.state.epoch ?? 0);

/** Whether the mirror holds all that the primary had at its last pull, which was not long ago. */
export const isComplete = (view: RoleView, member: Member): member is Answering => {
  if (!belongs(view, member)) return false;
  const { mirror } = member.report;
  const { state, rules } = view;
  return (
    mirror?.holds?.member === state.primary &&
    mirror?.epoch === state.epoch &&
    mirror?.failed === undefined &&
    (mirror?.ageSeconds ?? Number.POSITIVE_INFINITY) <= COMPLETE_INTERVALS * rules.syncIntervalSeconds + 60
  );
};

/** Whether it is complete, and has nothing of its own in place of what the primary has. */
export const isWhole = (view: RoleView, member: Member): member is Answering =>
  isComplete(view, member) && member.report.mirror?.diverged === 0;

/** Whether the mirror holds every change that the primary had made when it gave its report. */
export const hasCaughtUp = (view: RoleView, mirror: Member, primary: Answering): boolean => {
  if (!isWhole(view, mirror)) return false;
  const holds = mirror.report.mirror?.holds;
  return holds?.instance === primary.report.instance && holds.position >= primary.report.position;
};

const primaryOf = ({ members, state }: RoleView): Member | undefined =>
  members.find(({ id }) => id === state.primary);

/** The primary, where it answers and its token is the one that was chosen. A new set is founded on one that belongs to none. */
export const workingPrimary = (view: RoleView): Answering | undefined => {
  const primary = primaryOf(view);
  if (primary === undefined || !answers(primary)) return undefined;
  const isFounder = primary.report.set === null && view.state.established !== true;
  return isFounder || belongs(view, primary) ? primary : undefined;
};

/** Whether a mirror is worth waiting for: one that is behind and has pulled nothing for long holds up every write. */
export const keepsUp = (view: RoleView, mirror: Member, primary: Answering): boolean =>
  isWhole(view, mirror) &&
  (hasCaughtUp(view, mirror, primary) || (mirror.report.mirror?.ageSeconds ?? 0) <= BEHIND_SECONDS);
