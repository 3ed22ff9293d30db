// SPDX-License-Identifier: Apache-2.0
// Tells of a set's roles in the status of its HSMDevice: per device, and as conditions.

import type { FoundCondition } from "../metadata.ts";
import type { Judgement } from "./assessment.ts";
import type { Decision } from "./decide.ts";
import { viewOf } from "./role-members.ts";
import { isComplete, type Member, type RoleState, type RoleView } from "./role-view.ts";
import { decideRoles, type RoleDecision } from "./roles.ts";
import type { DeviceStatus } from "./schema.ts";

/** What was decided on the roles of a set, and from what. */
export interface RoleOutcome {
  readonly view: RoleView;
  readonly decision: RoleDecision;
}

const NO_TOKEN =
  "The webhook has no token for roles, so that nobody takes writes: scripts/credentials.sh --apply --only role makes it, then restart the webhook.";

/** Undefined: the devices are no set. */
export const rolesOf = (judgement: Judgement, decisions: readonly Decision[]): RoleOutcome | undefined => {
  const { mirroring } = judgement.spec;
  if (mirroring === undefined) return undefined;
  const view = viewOf(judgement, mirroring, decisions);
  const decision = decideRoles(view);
  const { givesRoles = true } = judgement.context;
  return { view, decision: givesRoles ? decision : { ...decision, waiting: NO_TOKEN } };
};

// ---- of each device ----

type RoleFields = Pick<
  DeviceStatus,
  "role" | "objects" | "mirroredFrom" | "lastSyncTime" | "syncedVersions" | "diverged"
>;

const roleOf = (
  { view, decision: { next } }: RoleOutcome,
  { place, hasAgent, unused }: Decision,
  report: Member["report"],
): NonNullable<DeviceStatus["role"]> => {
  if (unused !== undefined) return "None";
  if (place.id === next.primary) return "Primary";
  if (hasAgent && report?.set !== undefined) return report.set?.set === view.rules.set ? "Mirror" : "None";
  const before = place.before?.role ?? "None";
  return before === "Primary" ? "Mirror" : before;
};

/** What a mirror has taken over. The time moves when that changes, not when the mirror looks. */
const syncFields = ({ view }: RoleOutcome, member: Member | undefined, before: DeviceStatus | undefined) => {
  const kept = {
    ...(before?.mirroredFrom !== undefined && { mirroredFrom: before.mirroredFrom }),
    ...(before?.lastSyncTime !== undefined && { lastSyncTime: before.lastSyncTime }),
    ...(before?.syncedVersions !== undefined && { syncedVersions: before.syncedVersions }),
  };
  if (member === undefined || !isComplete(view, member)) return kept;
  const { versions, mirror } = member.report;
  const from = mirror?.holds?.member;
  if (versions === undefined || from === undefined) return kept;
  const isSame = before?.syncedVersions === versions && before.mirroredFrom === from;
  return {
    mirroredFrom: from,
    lastSyncTime: (isSame ? before.lastSyncTime : undefined) ?? view.now,
    syncedVersions: versions,
  };
};

/** What the entry of a device says of its role. An agent that does not answer changes none of it. */
export const roleFields = (outcome: RoleOutcome, decision: Decision): RoleFields => {
  const { place } = decision;
  const member = outcome.view.members.find(({ id, node }) => id === place.id && node === place.node);
  const role = roleOf(outcome, decision, member?.report);
  const objects = member?.report?.secrets ?? place.before?.objects;
  const diverged = member?.report?.mirror?.diverged ?? place.before?.diverged ?? 0;
  return {
    role,
    ...(objects !== undefined && { objects }),
    ...(role === "Mirror" && syncFields(outcome, member, place.before)),
    ...(role === "Mirror" && diverged > 0 && { diverged }),
  };
};

// ---- conditions ----

const CODE = /^[A-Z][A-Z0-9_]{0,39}$/;
const codeText = (code: string | undefined): string =>
  code !== undefined && CODE.test(code) ? ` (${code})` : "";
const secrets = (count: number): string => `${count} secret${count === 1 ? "" : "s"}`;

/** Why a member does not hold all that the primary does. */
const lackOf = ({ rules, state }: RoleView, { report }: Member): string => {
  if (report === undefined) return "its agent does not answer";
  const { token, set, secrets: held, mirror } = report;
  if (!token.ready || set === undefined) return `its token can't be read${codeText(token.code)}`;
  if (set === null) {
    return held === 0
      ? "it is about to join"
      : "its token holds secrets of its own, and kubectl hsm mirror adopt joins it";
  }
  if (set.set !== rules.set) return `its token belongs to another set, ${set.set.slice(0, 100)}`;
  if (set.epoch > (state.epoch ?? 0)) return "its token has seen a later epoch than this status";
  return mirror?.failed === undefined
    ? "it has not taken over everything yet"
    : `${secrets(mirror.failed.paths)} could not be taken over${codeText(mirror.failed.code)}`;
};

export const isWithoutPrimary = ({ primary, unreachableSince }: RoleState): boolean =>
  primary === undefined || unreachableSince !== undefined;

const mirroredCondition = ({ view, decision: { next, waiting } }: RoleOutcome): FoundCondition => {
  const found = (status: "True" | "False", reason: string, message: string): FoundCondition => ({
    type: "Mirrored",
    status,
    reason,
    message,
  });
  if (isWithoutPrimary(next)) {
    const reason = next.primary === undefined ? "NoPrimary" : "PrimaryUnreachable";
    return found("False", reason, waiting ?? "There is no device with an agent.");
  }
  const said = waiting === undefined ? "" : ` ${waiting}`;
  const after = { ...view, state: next };
  const mirrors = view.members.filter(({ id }) => id !== next.primary);
  const lacking = mirrors.filter((member) => !isComplete(after, member));
  if (mirrors.length === 0) {
    return found("False", "NoMirror", `${next.primary} is the only member, and nobody mirrors it.${said}`);
  }
  return lacking.length === 0
    ? found("True", "AllComplete", `All members hold what ${next.primary} holds.${said}`)
    : found(
        "False",
        "NotComplete",
        `Not all members hold what ${next.primary} holds: ${lacking.map((one) => `${one.id}: ${lackOf(after, one)}`).join("; ")}.${said}`,
      );
};

const divergedCondition = (devices: readonly DeviceStatus[]): FoundCondition => {
  const diverged = devices.filter((device) => (device.diverged ?? 0) > 0);
  const each = diverged.map(({ id, diverged: count = 0 }) => `${id} (${secrets(count)})`).join(", ");
  return diverged.length === 0
    ? { type: "Diverged", status: "False", reason: "None", message: "No member differs from the primary." }
    : {
        type: "Diverged",
        status: "True",
        reason: "BothWritten",
        message: `What the primary does not know of is kept on ${each}. kubectl hsm mirror diff shows it, and mirror resolve decides.`,
      };
};

/** The conditions of a set. */
export const roleConditions = (outcome: RoleOutcome, devices: readonly DeviceStatus[]): FoundCondition[] => [
  mirroredCondition(outcome),
  divergedCondition(devices),
];
