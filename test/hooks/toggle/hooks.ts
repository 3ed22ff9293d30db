// SPDX-License-Identifier: Apache-2.0
// Runs the Toggle hooks on a request and a context, with their steps in the order of the webhook.
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
