// SPDX-License-Identifier: Apache-2.0
// `mirror status` shows which role an agent has in its set of HSMs, and how far its token is.
import type { RoleBody } from "../../agent-api/role-schema.ts";
import { command } from "../arguments.ts";

export const mirrorStatus = command({
  name: "mirror status",
  summary: "tell which role an agent has in its set of HSMs, and what it holds",
  operands: [],
  options: {},
  notes: ["With several agents, --agent says which one."],
  async run(context) {
    const role = await (await context.agent("read")).role();
    await context.output.result(role, linesOf(role));
    return role.token.ready ? "done" : "unreachable";
  },
});

const setLine = ({ set, token }: RoleBody): string => {
  if (set === undefined) return `the token can't be read (${token.code ?? "unknown"})`;
  return set === null ? "none" : `${set.set}, epoch ${set.epoch}`;
};

const leaseLine = ({ lease }: RoleBody): string => {
  if (lease === null) return "none: no writes are taken";
  const seconds = Math.round(lease.remainingMs / 1000);
  const of = lease.role === "mirror" ? ` of ${lease.primary}` : "";
  return `${lease.role}${of}, for ${seconds} s more${lease.draining ? ", being handed over" : ""}`;
};

const mirrorLines = ({ mirror }: RoleBody): string[] => {
  if (mirror === null) return [];
  const { ageSeconds, failed, diverged } = mirror;
  const pulled = ageSeconds === undefined ? "never whole" : `${ageSeconds} s ago`;
  return [
    `pulled:    ${pulled}`,
    ...(failed === undefined ? [] : [`failed:    ${failed.paths} (${failed.code})`]),
    `diverged:  ${diverged}${diverged > 0 ? " (kubectl hsm mirror diff)" : ""}`,
  ];
};

const linesOf = (role: RoleBody): string[] => [
  `device:    ${role.device} on ${role.node}`,
  `set:       ${setLine(role)}`,
  `role:      ${leaseLine(role)}`,
  ...(role.secrets === undefined ? [] : [`secrets:   ${role.secrets}`]),
  ...mirrorLines(role),
];
