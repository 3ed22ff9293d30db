// SPDX-License-Identifier: Apache-2.0
// The Toggle hooks as the webhook calls them: assess a request, and let sync or finalize decide.
export { assess } from "./assessment.ts";
export type { HookContext } from "./context.ts";
export { customize } from "./customize.ts";
export { type FinalizeResult, finalize } from "./finalize.ts";
export { ToggleCustomizeRequest, ToggleSyncRequest } from "./schema.ts";
export { type SyncResult, sync } from "./sync.ts";
