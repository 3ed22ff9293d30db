// SPDX-License-Identifier: Apache-2.0
// The sync hook: from the observed HSMSecret and Secret, a reading of the token and what came of a write to it, to the
// Secret that shall be.
import { checksumOfBase64 } from "../checksum.ts";
import type { HookEvent } from "../hook-event.ts";
import type { KeyedChecksums } from "../keyed-checksum.ts";
import type { SyncResponse } from "../metacontroller.ts";
import { leakOf } from "./child.ts";
import type { HookContext } from "./context.ts";
import { decide } from "./decide.ts";
import { isShown, judge, type Verdict } from "./judge.ts";
import { type Observed, observe, secretsOf } from "./observed.ts";
import { pendingForceSync } from "./plan.ts";
import type { Reading } from "./reading.ts";
import { resolveSpec } from "./resolved-spec.ts";
import { resyncAfter } from "./resync.ts";
import { type HSMSecret, type HSMSecretSyncRequest, RESOLVE } from "./schema.ts";
import { type Finding, nextStatus, previousStatus, type Reason } from "./status.ts";
import { writtenText } from "./write-back.ts";
import type { FailedWrite, Write } from "./writing.ts";

/** Seconds after a write until the sync that finds the two sides equal. */
const WRITTEN_SECONDS = 1;

export interface SyncResult {
  readonly response: SyncResponse;
  readonly events: readonly HookEvent[];
  /** The reason of the Ready condition, for logs and metrics. */
  readonly outcome: Reason;
}

/** In place of an answer: call again after so many seconds (HTTP 429). */
export interface WrittenResult {
  readonly againAfterSeconds: number;
  readonly events: readonly HookEvent[];
  readonly outcome: "WrittenBack";
}

/** Whether a sync without autoSync must be followed by another: it has not got the content that it was asked for. */
const isUnfinished = (reason: Reason, observed: Observed): boolean =>
  reason === "HSMUnavailable" ||
  reason === "Applying" ||
  reason === "WriteBackFailed" ||
  (reason === "ObjectNotFound" && observed.owned === undefined);

/**
 * The events of a sync: one where the reason changed, none where nothing happened, and none of a Secret that is being
 * written, which the next sync tells of, a moment later, as written or as overdue.
 */
const eventsOf = (parent: HSMSecret, finding: Finding): HookEvent[] => {
  const before = previousStatus(parent);
  const { reason, message, overdue } = finding;
  if (reason === "Applying" && !overdue) return [];
  const last = before.conditions?.find(({ type }) => type === "Ready");
  if (last?.reason === reason && last.message === message) return [];
  return [{ type: reason === "Synced" ? "Normal" : "Warning", reason, message }];
};

/**
 * Which value of the resolve annotation is used up. One that is there before its conflict is shown, or after, must not
 * decide a later one; one that is being obeyed is used up when the two sides are equal.
 */
const usedChoice = (
  parent: HSMSecret,
  checksums: KeyedChecksums,
  verdict: Verdict,
  reading: Reading | undefined,
): string | null | undefined => {
  const choice = parent.metadata.annotations?.[RESOLVE];
  if (choice === undefined) return null;
  if (reading === undefined || reading.outcome === "unavailable") return undefined;
  if (verdict.verdict !== "conflict") return verdict.obeyed === undefined ? choice : undefined;
  return isShown(parent, verdict.pair, checksums) ? undefined : choice;
};

/** The write that a sync wants after `reading`, if any. The shell does it and tells sync what came of it. */
export const planWrite = (
  request: HSMSecretSyncRequest,
  context: HookContext,
  reading: Reading | undefined,
): Write | undefined => {
  const { parent } = request;
  const spec = resolveSpec(parent);
  const verdict = judge(parent, spec, context, observe(request, spec).owned, reading);
  return verdict.verdict === "write" ? verdict.write : undefined;
};

/**
 * What follows a write that succeeded: no answer, but another sync, which finds the two sides equal. An answer would list
 * the Secret as it was before the write, and Metacontroller would force that over an edit made while the write lasted.
 */
export const writtenBack = (request: HSMSecretSyncRequest, write: Write): WrittenResult => ({
  againAfterSeconds: WRITTEN_SECONDS,
  events: [
    { type: "Normal", reason: "WrittenBack", message: writtenText(resolveSpec(request.parent), write) },
  ],
  outcome: "WrittenBack",
});

/**
 * The sync hook. `reading` is what came of the plan (see plan.ts), `failure` of planWrite; each is undefined where the
 * plan was to do nothing. After a write that succeeded there is no sync but writtenBack. The same arguments give the same
 * bytes.
 */
export const sync = (
  request: HSMSecretSyncRequest,
  context: HookContext,
  reading: Reading | undefined,
  failure?: FailedWrite,
): SyncResult => {
  const { parent } = request;
  const spec = resolveSpec(parent);
  const observed = observe(request, spec);
  const secretChecksum = observed.owned === undefined ? null : checksumOfBase64(observed.owned.data ?? {});
  const verdict = judge(parent, spec, context, observed.owned, reading);
  const { checksums } = context;
  const situation = { parent, spec, observed, secretChecksum, verdict, checksums, now: context.now };
  const { children, finding, after } = decide(situation, context, reading, failure);
  const wanted =
    reading === undefined || reading.outcome === "unavailable" ? undefined : pendingForceSync(parent);
  const used = usedChoice(parent, context.checksums, verdict, reading);
  const leak = leakOf(secretsOf(observed));
  const full = {
    ...finding,
    secretUid: observed.owned?.metadata.uid ?? null,
    ...(leak === undefined ? {} : { leak }),
    ...(wanted === undefined ? {} : { lastForceSync: wanted }),
    ...(used === undefined ? {} : { lastResolve: used }),
  };
  return {
    response: {
      status: nextStatus(parent, full, context),
      children: [...children],
      ...(after !== undefined && (spec.autoSync || isUnfinished(finding.reason, observed))
        ? { resyncAfterSeconds: resyncAfter(parent.metadata.uid, after) }
        : {}),
    },
    events: eventsOf(parent, finding),
    outcome: finding.reason,
  };
};
