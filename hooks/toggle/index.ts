// SPDX-License-Identifier: Apache-2.0
// Exports the steps of the Toggle hooks that the webhook calls: assess, then sync or finalize.
export { assess } from "./assessment.ts";
export type { HookContext } from "./context.ts";
export { customize } from "./customize.ts";
export { type FinalizeResult, finalize } from "./finalize.ts";
export { type Toggle, ToggleCustomizeRequest, ToggleSyncRequest } from "./schema.ts";
export { type SyncResult, sync } from "./sync.ts";
