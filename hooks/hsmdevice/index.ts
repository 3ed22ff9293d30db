// SPDX-License-Identifier: Apache-2.0
// Exports the steps of the HSMDevice hooks that the webhook calls: assess, plan and planRoles, judge, planOrders, judge again with
// what came of the orders, then sync; or finalize.
export { assess, judge, plan, type Question } from "./assessment.ts";
export type { HookContext } from "./context.ts";
export { customize } from "./customize.ts";
export { finalize } from "./finalize.ts";
export type { AgentReport, NodeReport, Reading, RoleReading } from "./reading.ts";
export {
  type PlannedOrder,
  planOrders,
  planRoles,
  type RoleQuestion,
} from "./role-members.ts";
export { HSMDeviceCustomizeRequest, HSMDeviceSyncRequest } from "./schema.ts";
export { sync } from "./sync.ts";
