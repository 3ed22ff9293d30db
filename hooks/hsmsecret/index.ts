// SPDX-License-Identifier: Apache-2.0
// The HSMSecret hooks as the webhook calls them: assess a request, plan a reading, do it, judge it, plan a write, do it, and let
// sync decide.
export { withoutStale } from "./applied-version.ts";
export { assess } from "./assessment.ts";
export type { HookContext } from "./context.ts";
export { customize } from "./customize.ts";
export { type FinalizeResult, finalize, planRemoval } from "./finalize.ts";
export { judge, planWrite } from "./judge.ts";
export { plan, type ReadPlan } from "./plan.ts";
export type { Reading } from "./reading.ts";
export { HSMSecret, HSMSecretCustomizeRequest, HSMSecretSyncRequest } from "./schema.ts";
export { type SyncResult, sync, type WrittenResult, writtenBack } from "./sync.ts";
export type { FailedWrite, Removal, RemovalOutcome, Write, WriteOutcome } from "./token-write.ts";
