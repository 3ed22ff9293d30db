// SPDX-License-Identifier: Apache-2.0
// The Toggle hooks by request and context: the steps of each in the order in which the webhook takes them.
import type {
  FinalizeResult,
  HookContext,
  SyncResult,
  ToggleSyncRequest,
} from "../../../hooks/toggle/index.ts";
import * as hooks from "../../../hooks/toggle/index.ts";

export const sync = (request: ToggleSyncRequest, context: HookContext): SyncResult =>
  hooks.sync(hooks.assess(request, context));

export const finalize = (request: ToggleSyncRequest, context: HookContext): FinalizeResult =>
  hooks.finalize(hooks.assess(request, context));
