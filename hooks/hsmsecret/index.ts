// SPDX-License-Identifier: Apache-2.0
// The HSMSecret hooks as the webhook calls them: plan a reading, do it, and let sync decide.
export { customize } from "./customize.ts";
export { type FinalizeResult, finalize } from "./finalize.ts";
export { type HookContext, plan, type ReadPlan } from "./plan.ts";
export type { Reading } from "./reading.ts";
export { HSMSecret, HSMSecretCustomizeRequest, HSMSecretSyncRequest } from "./schema.ts";
export { type SyncResult, sync } from "./sync.ts";
