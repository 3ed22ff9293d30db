// SPDX-License-Identifier: Apache-2.0
// Exports the steps of the HSMSecret hooks in the order in which the webhook calls them: assess, plan, judge, planWrite, sync.

export { assess, plan, type ReadPlan } from "./assessment.ts";
export { withoutStale } from "./belief.ts";
export type { HookContext } from "./context.ts";
export { customize } from "./customize.ts";
export { type FinalizeResult, finalize, planRemoval } from "./finalize.ts";
export { judge, planWrite } from "./judge.ts";
export { answererName, isDegraded, type Reading, type Standing } from "./reading.ts";
export { HSMSecret, HSMSecretCustomizeRequest, HSMSecretSyncRequest } from "./schema.ts";
export { type SyncResult, sync, type WrittenResult, writtenBack } from "./sync.ts";
export type { FailedWrite, Removal, RemovalOutcome, Write, WriteOutcome } from "./token-write.ts";
