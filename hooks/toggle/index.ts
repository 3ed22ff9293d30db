// SPDX-License-Identifier: Apache-2.0
// The Toggle hooks as the webhook calls them.
export { customize } from "./customize.ts";
export { type FinalizeResult, finalize } from "./finalize.ts";
export { Toggle, ToggleCustomizeRequest, ToggleSyncRequest } from "./schema.ts";
export { type HookContext, type SyncResult, sync } from "./sync.ts";
