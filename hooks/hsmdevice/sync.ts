// SPDX-License-Identifier: Apache-2.0
// Implements the sync hook: turns what discovery reported into agents, the status and the events.

import type { AnyObject } from "../kubernetes.ts";
import type { HookEvent, HookResult, SyncResponse } from "../metacontroller.ts";
import type { Judgement } from "./assessment.ts";
import { agentChild, relisted, sharedChildren } from "./child.ts";
import { type Decision, decide } from "./decide.ts";
import { findingOf } from "./findings.ts";
import { agentName } from "./names.ts";
import { deviceStatus, type Finding, nextStatus } from "./next-status.ts";
import type { Surroundings } from "./observed.ts";
import { roleEvents, secondsToNextStep, withRoles } from "./role-finding.ts";
import { rolesOf } from "./role-status.ts";
import type { HSMDeviceStatus, Phase } from "./schema.ts";

export type SyncResult = HookResult<SyncResponse, Phase>;

/** Discovery has no watch: it is asked again after this, in seconds. */
const ASK_EVERY_SECONDS = 10;

/** One where the phase or the words of something lasting changed, none where nothing happened. */
const eventsOf = (before: HSMDeviceStatus, { phase, message, stuck, reason }: Finding): HookEvent[] => {
  if (before.phase === phase && (!stuck || before.message === message)) return [];
  return [{ type: phase === "Error" || phase === "Partial" ? "Warning" : "Normal", reason, message }];
};

/** Without knowledge of who has which name nothing is made and nothing goes. */
const refused = (judgement: Judgement): SyncResult => {
  const finding: Finding = {
    phase: "Error",
    reason: "NoCustomizeHook",
    message:
      "The CompositeController has no customize hook, so it can't be told which nodes and names there are. Install it as in manifests/.",
    stuck: true,
  };
  return {
    response: {
      status: nextStatus(judgement, finding),
      children: judgement.observed.children.map(relisted),
      resyncAfterSeconds: ASK_EVERY_SECONDS,
    },
    events: eventsOf(judgement.before, finding),
    outcome: finding.phase,
  };
};

/** Deployments whose annotations somebody took: they stay until a report tells again what they are for. */
const straysOf = (
  { parent, observed }: Judgement,
  decisions: readonly Decision[],
): Record<string, unknown>[] => {
  const listed = new Set(
    decisions.filter(({ hasAgent }) => hasAgent).map(({ place }) => agentName(parent, place.id)),
  );
  const known = new Set<AnyObject>([...observed.agents.values()].map(({ deployment }) => deployment));
  return observed.children
    .filter((child) => child.kind === "Deployment" && !known.has(child) && !listed.has(child.metadata.name))
    .map(relisted);
};

const answered = (judgement: Judgement, around: Surroundings): SyncResult => {
  const { parent, before } = judgement;
  const decisions = decide(judgement, around);
  const made = decisions.map((decision) => ({
    decision,
    child: decision.hasAgent ? agentChild(judgement, around, decision) : undefined,
  }));
  const roles = rolesOf(judgement, decisions);
  const devices = made.map(({ decision, child }) =>
    deviceStatus(decision, child && agentName(parent, decision.place.id), roles),
  );
  const finding = withRoles(findingOf(judgement, around, decisions, devices), roles);
  const agents = made.map(({ child }) => child).filter((child) => child !== undefined);
  return {
    response: {
      status: nextStatus(judgement, finding),
      children: [...sharedChildren(judgement, around), ...agents, ...straysOf(judgement, decisions)],
      resyncAfterSeconds: Math.min(ASK_EVERY_SECONDS, secondsToNextStep(roles) ?? ASK_EVERY_SECONDS),
    },
    events: [...eventsOf(before, finding), ...roleEvents(roles)],
    outcome: finding.phase,
  };
};

/** The sync hook. The same arguments give the same bytes. */
export const sync = (judgement: Judgement): SyncResult => {
  const { around } = judgement.observed;
  return around === undefined ? refused(judgement) : answered(judgement, around);
};
