// SPDX-License-Identifier: Apache-2.0
// Tells what a decision on roles means for the HSMDevice as a whole: its phase and its events.
import type { HookEvent } from "../metacontroller.ts";
import type { Finding } from "./next-status.ts";
import { isWithoutPrimary, type RoleOutcome } from "./role-status.ts";
import { FAILOVER_SECONDS, lostFor } from "./roles.ts";

/** Whether it lasts until somebody does something. */
const isStuck = ({ view, decision: { next } }: RoleOutcome): boolean => {
  if (next.primary === undefined) return view.members.every(({ report }) => report !== undefined);
  const { unreachableSince } = next;
  return (
    !view.rules.autoFailover ||
    (unreachableSince !== undefined && lostFor(view, unreachableSince) >= FAILOVER_SECONDS)
  );
};

/** `finding` of a set: without a primary that can be reached it takes no writes, and is not ready. */
export const withRoles = (finding: Finding, outcome: RoleOutcome | undefined): Finding => {
  if (outcome === undefined) return finding;
  const { view, decision } = outcome;
  const { next, waiting } = decision;
  const found = { ...finding, roles: outcome };
  if (view.members.length === 0 || !isWithoutPrimary(next)) return found;
  const message = `${finding.message}${waiting === undefined ? "" : ` ${waiting}`}`;
  if (finding.phase !== "Ready") return { ...found, message };
  const phase = next.primary === undefined ? "Pending" : "Partial";
  return { ...found, phase, reason: "NoPrimary", message, stuck: isStuck(outcome) };
};

/** When the next sync has something to do: to grant what was decided now, or to choose another primary. */
export const secondsToNextStep = (outcome: RoleOutcome | undefined): number | undefined => {
  if (outcome === undefined) return undefined;
  const { view, decision } = outcome;
  const { handover, unreachableSince } = decision.next;
  if (decision.event !== undefined || handover !== undefined) return 1;
  if (unreachableSince === undefined) return undefined;
  const isNew = view.state.unreachableSince === undefined;
  const left = FAILOVER_SECONDS - (isNew ? 0 : lostFor(view, unreachableSince));
  return left > 0 ? Math.ceil(left) : undefined;
};

/** What is told of a decision, when it is made. */
export const roleEvents = (outcome: RoleOutcome | undefined): HookEvent[] => {
  if (outcome?.decision.event === undefined) return [];
  const { view, decision } = outcome;
  const { primary, epoch } = decision.next;
  const node = view.members.find(({ id }) => id === primary)?.node;
  const is = `${primary} on node ${node} is the primary`;
  const tell = (type: HookEvent["type"], reason: string, message: string): HookEvent[] => [
    { type, reason, message },
  ];
  switch (decision.event) {
    case "elected":
      return tell("Normal", "PrimaryElected", `${is} (epoch ${epoch}).`);
    case "failover":
      return tell(
        "Warning",
        "Failover",
        `${is} now (epoch ${epoch}): ${view.state.primary} could not be reached since ${view.state.unreachableSince}.`,
      );
    case "handover":
      return tell("Normal", "HandedOver", `${is} now (epoch ${epoch}), in place of ${view.state.primary}.`);
    default:
      return tell(
        "Warning",
        "HandOverFailed",
        `${is} still: ${view.state.handover?.to} did not catch up in time. Change spec.mirroring.primaryNode to try again.`,
      );
  }
};
