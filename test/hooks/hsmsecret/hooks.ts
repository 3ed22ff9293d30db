// SPDX-License-Identifier: Apache-2.0
// Runs the HSMSecret hooks on a request and a context, with their steps in the order of the webhook.
import type {
  FailedWrite,
  FinalizeResult,
  HookContext,
  HSMSecretSyncRequest,
  Reading,
  ReadPlan,
  Removal,
  RemovalOutcome,
  SyncResult,
  Write,
  WrittenResult,
} from "../../../hooks/hsmsecret/index.ts";
import * as hooks from "../../../hooks/hsmsecret/index.ts";

type Request = HSMSecretSyncRequest;
type Read = Reading | undefined;

export const plan = (request: Request, context: HookContext): ReadPlan =>
  hooks.plan(hooks.assess(request, context));

export const believed = (request: Request, context: HookContext, reading: Read): Read =>
  hooks.withoutStale(hooks.assess(request, context), reading);

export const planWrite = (request: Request, context: HookContext, reading: Read): Write | undefined =>
  hooks.planWrite(hooks.judge(hooks.assess(request, context), reading));

export const writtenBack = (request: Request, context: HookContext, write: Write): WrittenResult =>
  hooks.writtenBack(hooks.assess(request, context), write);

export const sync = (request: Request, context: HookContext, read: Read, failure?: FailedWrite): SyncResult =>
  hooks.sync(hooks.judge(hooks.assess(request, context), read), failure);

export const planRemoval = (request: Request, context: HookContext): Removal | undefined =>
  hooks.planRemoval(hooks.assess(request, context));

export const finalize = (request: Request, context: HookContext, removal?: RemovalOutcome): FinalizeResult =>
  hooks.finalize(hooks.assess(request, context), removal);
