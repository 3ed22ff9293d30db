// SPDX-License-Identifier: Apache-2.0
// Decides which member of a set is primary: first choice, failover, hand-over. The status says it, and grants follow.
import { secondsUntil } from "../rfc3339.ts";
import { LEASE_SECONDS } from "./role-orders.ts";
import {
  type Answering,
  answers,
  belongs,
  epochOf,
  hasCaughtUp,
  isComplete,
  isWhole,
  keepsUp,
  type Member,
  type RoleState,
  type RoleView,
  workingPrimary,
} from "./role-view.ts";

/** For how long the primary must have been out of reach: its lease, and one call of the webhook that was held up. */
export const FAILOVER_SECONDS = LEASE_SECONDS + 10;
/** A hand-over that takes longer is given up. */
const HANDOVER_SECONDS = 60;

/** What comes next. `waiting`: why there is no primary, or not the one that is wanted; for people. */
export interface RoleDecision {
  readonly next: RoleState;
  readonly waiting?: string;
  readonly event?: "elected" | "failover" | "handover" | "handover-failed";
}

/** The most recent copy first: of the latest epoch, with the most writes. */
const byContent = (view: RoleView) => (a: Answering, b: Answering) =>
  epochOf(b, view.rules.set) - epochOf(a, view.rules.set) ||
  (b.report.versions ?? 0) - (a.report.versions ?? 0) ||
  (a.id < b.id ? -1 : 1);

/** Of members of the latest epoch the one that has a primary's lease first. */
const byLease = ({ rules }: RoleView, a: Answering, b: Answering): number => {
  const holds = ({ report: { lease } }: Answering): number => Number(lease?.role === "primary");
  return epochOf(b, rules.set) - epochOf(a, rules.set) || holds(b) - holds(a);
};

const nextEpoch = (view: RoleView): number =>
  Math.max(
    view.state.epoch ?? 0,
    ...view.members.filter(answers).map((member) => epochOf(member, view.rules.set)),
  ) + 1;

/** The fields of a status that goes on, without those that are undefined. */
const stateOf = (state: { [K in keyof RoleState]: RoleState[K] | undefined }): RoleState =>
  Object.fromEntries(Object.entries(state).filter(([, value]) => value !== undefined));

const chosen = (view: RoleView, { id }: Member): RoleState => {
  const { state, rules } = view;
  return stateOf({
    primary: id,
    epoch: nextEpoch(view),
    failoverCount: state.failoverCount,
    established: state.established,
    preferredNode: rules.primaryNode,
    // Those that held every write do so still, and the new one does too.
    inSync: rules.acknowledge === "Mirror" ? (state.inSync ?? []).filter((one) => one !== id) : undefined,
  });
};

const names = (members: readonly Member[]): string => members.map(({ id }) => id).join(", ");

/** Those among whom the first primary is chosen: members of the set, else tokens with secrets, else blank ones. */
const electable = ({ rules, members }: RoleView) => {
  const candidates = members.filter(answers).filter(({ report: { set } }) => !set || set.set === rules.set);
  const [ours, free] = [
    candidates.filter(({ report }) => report.set),
    candidates.filter(({ report }) => !report.set),
  ];
  const full = free.filter(({ report }) => report.secrets !== 0);
  return { ours, full, blank: free.filter(({ report }) => report.secrets === 0) };
};

/** The first primary of a set, or of one whose status was lost. */
const elect = (view: RoleView): RoleDecision => {
  const { members, rules, state, now } = view;
  if (members.length === 0) return { next: state };
  const { ours, full, blank } = electable(view);
  const isWanted = ({ node }: Member) => node === rules.primaryNode;
  const silent = members.filter((member) => !answers(member));
  if (silent.length > 0) {
    const missing = `The first primary is chosen when all agents have answered; missing: ${names(silent)}.`;
    if (![...ours, ...full].some(isWanted)) {
      return {
        next: state,
        waiting: `${missing} spec.mirroring.primaryNode chooses one that holds secrets without them.`,
      };
    }
    // One that does not answer may have a lease by a status that was lost.
    const { unreachableSince } = state;
    if (unreachableSince === undefined || lostFor(view, unreachableSince) < FAILOVER_SECONDS) {
      return {
        next: { ...state, unreachableSince: unreachableSince ?? now },
        waiting: `${missing} The one on ${rules.primaryNode} is chosen ${FAILOVER_SECONDS} s after that began.`,
      };
    }
  }
  // Where the status was lost a lease may still run: who has it stays, so that nobody else writes meanwhile.
  const [newest] = [...ours].sort((a, b) => byLease(view, a, b) || byContent(view)(a, b));
  if (newest === undefined && full.length > 1 && !full.some(isWanted)) {
    return {
      next: state,
      waiting: `Several tokens hold secrets of their own (${names(full)}): say in spec.mirroring.primaryNode which is the first primary.`,
    };
  }
  const among = full.length > 0 ? full : blank;
  const first = newest ?? among.find(isWanted) ?? among[0];
  if (first === undefined) return { next: state, waiting: "No token can be read that could be primary." };
  const next = chosen(view, first);
  return { next: stateOf({ ...next, established: newest && true }), event: "elected" };
};

const isDue = ({ now }: RoleView, since: string, seconds: number): boolean =>
  secondsUntil(now, since) >= seconds;

/** For how many seconds the primary has been out of reach. */
export const lostFor = ({ now, lostSeconds }: RoleView, since: string): number =>
  lostSeconds ?? secondsUntil(now, since);

const divergedOf = ({ report }: Answering): number => report.mirror?.diverged ?? 0;

/**
 * Whether a member may follow a primary that is lost. With acknowledge: Mirror those alone may that hold every acknowledged write. What
 * the status knew of them when the primary was there stays so, however long ago that is, and if their agents were restarted since.
 */
const mayFollow = (view: RoleView, member: Member): member is Answering => {
  const { state, rules } = view;
  const isMirror = rules.acknowledge === "Mirror";
  const wasKnown = (isMirror ? state.inSync : state.complete)?.includes(member.id) === true;
  if (isComplete(view, member)) return wasKnown || !isMirror;
  // One that is blank is another token than the one that was known.
  return wasKnown && belongs(view, member) && (member.report.versions ?? 0) > 0;
};

/** Who follows a primary that is lost. */
const heirOf = (view: RoleView): Answering | undefined => {
  const { state, members } = view;
  const [heir] = members
    .filter((member) => member.id !== state.primary)
    .filter((member): member is Answering => mayFollow(view, member))
    .sort((a, b) => divergedOf(a) - divergedOf(b) || byContent(view)(a, b));
  return heir;
};

/** The member that somebody named since, though it is not complete: what is missing there stays on the old primary. */
const namedHeir = (view: RoleView): Answering | undefined => {
  const { state, rules, members } = view;
  if (rules.primaryNode === state.preferredNode || rules.acknowledge === "Mirror") return undefined;
  return members
    .filter((member): member is Answering => belongs(view, member))
    .find(({ node }) => node === rules.primaryNode);
};

/** The state, in which it is noted that somebody named no node any more, or that of the lost primary: naming another is a change then. */
const noting = ({ rules, members, state }: RoleView): RoleState => {
  const isNone = rules.primaryNode === undefined;
  const isLost = members.some(({ id, node }) => node === rules.primaryNode && id === state.primary);
  return isNone || isLost ? stateOf({ ...state, preferredNode: rules.primaryNode }) : state;
};

const withoutPrimary = (view: RoleView): RoleDecision => {
  const { rules, now } = view;
  const state = noting(view);
  const { unreachableSince, handover: _, ...rest } = state;
  const waiting = `The primary ${state.primary} can't be reached, or its token not be read`;
  if (unreachableSince === undefined) {
    return { next: { ...rest, unreachableSince: now }, waiting: `${waiting}.` };
  }
  if (!rules.autoFailover && namedHeir(view) === undefined) {
    return { next: state, waiting: `${waiting}; autoFailover is off.` };
  }
  if (lostFor(view, unreachableSince) < FAILOVER_SECONDS) return { next: state, waiting: `${waiting}.` };
  const heir = heirOf(view) ?? namedHeir(view);
  if (heir === undefined) return { next: state, waiting: `${waiting}, and ${nobodyText(view)}` };
  const next = chosen(view, heir);
  return { next: { ...next, failoverCount: (state.failoverCount ?? 0) + 1 }, event: "failover" };
};

/** Why nobody follows, and what to do. */
const nobodyText = ({ rules }: RoleView): string =>
  rules.acknowledge === "Mirror"
    ? "no mirror that answers holds every acknowledged write."
    : "no mirror is complete. A change of spec.mirroring.primaryNode chooses one as it is; what it lacks stays on the other token.";

/** With acknowledge: Mirror, which members hold every write that the primary acknowledges. */
const inSyncOf = (view: RoleView, primary: Answering): string[] | undefined => {
  if (view.rules.acknowledge === "Primary") return undefined;
  const { inSync = [] } = view.state;
  // The primary waited for these already when it gave this report, so that nothing it acknowledges later is missing there.
  const waitedFor = primary.report.lease?.role === "primary" ? (primary.report.lease.acks ?? []) : [];
  return view.members
    .filter(({ id }) => id !== primary.id)
    .filter((member) =>
      inSync.includes(member.id)
        ? keepsUp(view, member, primary)
        : waitedFor.includes(member.id) && hasCaughtUp(view, member, primary),
    )
    .map(({ id }) => id);
};

/** With acknowledge: Primary, which members may follow if the primary is lost from now on. */
const completeOf = (view: RoleView, { id }: Answering): string[] | undefined => {
  const complete = view.members.filter((member) => member.id !== id && isComplete(view, member));
  return view.rules.acknowledge === "Mirror" || complete.length === 0
    ? undefined
    : complete.map((member) => member.id);
};

/** A member that was adopted with its secrets, where the first primary of the set holds nothing yet and never did. */
const adopted = (view: RoleView, { id, report }: Answering): Answering | undefined =>
  view.state.epoch === 1 && report.secrets === 0 && report.versions === 0 && report.set !== null
    ? view.members
        .filter((member): member is Answering => member.id !== id && belongs(view, member))
        .find((member) => member.report.secrets !== 0)
    : undefined;

const withPrimary = (view: RoleView, primary: Answering): RoleDecision => {
  const { state, rules } = view;
  const { unreachableSince: _, handover: __, ...rest } = state;
  const isOurs = primary.report.set?.set === rules.set;
  const next = stateOf({
    ...rest,
    established: state.established ?? (isOurs ? true : undefined),
    inSync: inSyncOf(view, primary),
    complete: completeOf(view, primary),
  });
  const full = adopted(view, primary);
  if (full !== undefined) return changeOver(view, primary, next, full, true);
  if (rules.primaryNode === state.preferredNode) return { next };
  const isThere = rules.primaryNode === undefined || primary.node === rules.primaryNode;
  return isThere
    ? { next: stateOf({ ...next, preferredNode: rules.primaryNode }) }
    : handOver(view, primary, next);
};

/** Whether the primary has ended its last write and begins no other. */
const isDrained = ({ state }: RoleView, { report: { lease, writing } }: Answering): boolean =>
  state.unreachableSince === undefined && writing === 0 && (lease === null || lease.draining);

/** A planned hand-over to the member that somebody has named. */
const handOver = (view: RoleView, primary: Answering, next: RoleState): RoleDecision => {
  const { rules, members } = view;
  const target = members.find(({ node }) => node === rules.primaryNode);
  return target !== undefined && isWhole(view, target)
    ? changeOver(view, primary, next, target, hasCaughtUp(view, target, primary))
    : {
        next,
        waiting: `No mirror on node ${rules.primaryNode} is complete and without diverged secrets, so that ${primary.id} stays primary.`,
      };
};

/** One step of a hand-over: the primary stops, the other one catches up, and only then the roles change. */
const changeOver = (
  view: RoleView,
  primary: Answering,
  next: RoleState,
  target: Member,
  isReady: boolean,
): RoleDecision => {
  const { state, rules, now } = view;
  const { handover } = state;
  if (handover?.to !== target.id) return { next: { ...next, handover: { to: target.id, since: now } } };
  if (isReady && isDrained(view, primary)) {
    return { next: chosen({ ...view, state: next }, target), event: "handover" };
  }
  return isDue(view, handover.since, HANDOVER_SECONDS)
    ? { next: stateOf({ ...next, preferredNode: rules.primaryNode }), event: "handover-failed" }
    : { next: { ...next, handover } };
};

/** Whether a token has seen a later epoch than the status, which was lost or restored from an older one. */
const isOutdated = (view: RoleView): boolean =>
  view.members.some((member) => answers(member) && epochOf(member, view.rules.set) > (view.state.epoch ?? 0));

/** The primary that agents know in the epoch of the status, where that names another one: somebody has edited it. */
const unedited = ({ members, rules, state }: RoleView): Member | undefined => {
  const leases = members
    .filter(answers)
    .filter(({ report: { set } }) => set?.set === rules.set)
    .flatMap(({ report: { lease } }) => lease ?? []);
  const other = leases.find(({ epoch, primary }) => epoch === state.epoch && primary !== state.primary);
  return other && members.find(({ id }) => id === other.primary);
};

/** What the status says next. Grants follow when it was read back. */
export const decideRoles = (view: RoleView): RoleDecision => {
  const { primary: last, epoch } = view.state;
  if (last === undefined || epoch === undefined || isOutdated(view)) return elect(view);
  const before = unedited(view);
  if (before !== undefined) return { next: chosen(view, before), event: "elected" };
  const primary = workingPrimary(view);
  return primary === undefined ? withoutPrimary(view) : withPrimary(view, primary);
};
