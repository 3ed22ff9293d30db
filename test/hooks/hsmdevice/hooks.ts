// SPDX-License-Identifier: Apache-2.0
// Runs the HSMDevice hooks on a request, reports and a time, with their steps in the order of the webhook.
import type {
  HSMDeviceSyncRequest,
  NodeReport,
  PlannedOrder,
  RoleQuestion,
  RoleReading,
} from "../../../hooks/hsmdevice/index.ts";
import * as hooks from "../../../hooks/hsmdevice/index.ts";

/** The agents as the shell asks and orders them. */
export type Agents = {
  ask(questions: readonly RoleQuestion[]): RoleReading;
  order(orders: readonly PlannedOrder[], before: RoleReading): RoleReading;
};

const nobody: Agents = { ask: () => new Map(), order: (_, before) => before };

export const sync = (
  request: HSMDeviceSyncRequest,
  reports: readonly NodeReport[],
  now: string,
  agents: Agents = nobody,
) => {
  const assessment = hooks.assess(request, { now });
  const reading = new Map(reports.map((report) => [report.node, report]));
  const told = agents.ask(hooks.planRoles(assessment));
  const taken = agents.order(hooks.planOrders(hooks.judge(assessment, reading, told)), told);
  return hooks.sync(hooks.judge(assessment, reading, taken));
};

export const finalize = (request: HSMDeviceSyncRequest, now: string) =>
  hooks.finalize(hooks.assess(request, { now }));
