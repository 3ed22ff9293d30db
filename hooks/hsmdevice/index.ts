// SPDX-License-Identifier: Apache-2.0
// Exports the steps of the HSMDevice hooks that the webhook calls: assess, plan, judge, then sync; or finalize.
export { assess, judge, plan, type Question } from "./assessment.ts";
export type { HookContext } from "./context.ts";
export { customize } from "./customize.ts";
export { finalize } from "./finalize.ts";
export type { NodeReport, Reading } from "./reading.ts";
export { HSMDeviceCustomizeRequest, HSMDeviceSyncRequest } from "./schema.ts";
export { sync } from "./sync.ts";
