// SPDX-License-Identifier: Apache-2.0
// Counts the approvals of a command that waits: each Toggle's own need, by those who may use that Toggle now.
import type { Toggles } from "../kubernetes/toggles.ts";
import type { Access, CommandSource } from "./access.ts";
import { approvalsNeeded, approversFor } from "./approval.ts";
import type { Approval } from "./approval-record.ts";
import { namesIn, type SwitchCommand } from "./command.ts";

export type CountContext = {
  readonly toggles: Pick<Toggles, "find">;
  readonly access: Pick<Access, "mayUse">;
};

/** How many have to approve now, and how many of them did. */
export type ApprovalCount = {
  readonly need: number;
  readonly has: number;
  readonly users: readonly string[];
};

/** Whether `user` may approve a part of what `source` asks for. */
export const mayApprove = (
  { toggles, access }: CountContext,
  source: CommandSource,
  command: SwitchCommand,
  user: string,
): boolean =>
  namesIn(command).some((name) => {
    const toggle = toggles.find(name);
    return toggle !== undefined && approversFor(toggle, source, [user], access).length > 0;
  });

/** What there is of the approval of `command`. A Toggle that is not seen needs what was asked for. */
export const countApprovals = (
  context: CountContext,
  source: CommandSource,
  command: SwitchCommand,
  { need: asked, approvers }: Pick<Approval, "need" | "approvers">,
): ApprovalCount => {
  const users = approvers.flatMap(({ user, withdrawn }) =>
    withdrawn !== true && mayApprove(context, source, command, user) ? [user] : [],
  );
  const parts = namesIn(command).map((name) => {
    const toggle = context.toggles.find(name);
    if (toggle === undefined) return { need: asked, has: users.length };
    // An annotation that can't be read any more is told when the command runs.
    const need = approvalsNeeded(toggle) ?? 0;
    return { need, has: approversFor(toggle, source, users, context.access).length };
  });
  const need = Math.max(0, ...parts.map((part) => part.need));
  const short = Math.max(0, ...parts.map((part) => part.need - part.has));
  return { need, has: need - short, users };
};
