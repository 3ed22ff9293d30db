// SPDX-License-Identifier: Apache-2.0
// Computes the response of the sync hook from the observed objects, the reading of the token, and the outcome of a write.
import type { HookEvent, HookResult, SyncResponse } from "../metacontroller.ts";
import { type Assessment, pendingForceSync } from "./assessment.ts";
import { lastAppliedLeakText } from "./child.ts";
import { decide } from "./decide.ts";
import { resyncAfter } from "./decision.ts";
import { isShown, type Judgement } from "./judge.ts";
import { type Observed, secretsOf } from "./observed.ts";
import { RESOLVE } from "./schema.ts";
import { type Finding, isReported, nextStatus, type Reason } from "./status.ts";
import type { FailedWrite, Write } from "./token-write.ts";
import { writtenText } from "./write-back.ts";

/** Seconds after a write until the sync that finds the two sides equal. */
const WRITTEN_SECONDS = 1;

/** The outcome is the reason of the Ready condition. */
export type SyncResult = HookResult<SyncResponse, Reason>;

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
const eventsOf = ({ before }: Assessment, finding: Finding): HookEvent[] => {
  const { reason, message, overdue } = finding;
  if ((reason === "Applying" && !overdue) || isReported(before, finding)) return [];
  return [{ type: reason === "Synced" ? "Normal" : "Warning", reason, message }];
};

/**
 * Which value of the resolve annotation is used up. One that is there before its conflict is shown, or after, must not
 * decide a later one; one that is being obeyed is used up when the two sides are equal.
 */
const usedChoice = (judgement: Judgement): string | null | undefined => {
  const { parent, reading, verdict } = judgement;
  const choice = parent.metadata.annotations?.[RESOLVE];
  if (choice === undefined) return null;
  if (reading === undefined || reading.outcome === "unavailable") return undefined;
  if (verdict.verdict !== "conflict") return verdict.obeyed === undefined ? choice : undefined;
  return isShown(judgement, verdict.pair) ? undefined : choice;
};

/**
 * What follows a write that succeeded: no answer, but another sync, which finds the two sides equal. An answer would list
 * the Secret as it was before the write, and Metacontroller would force that over an edit made while the write lasted.
 */
export const writtenBack = ({ spec }: Assessment, write: Write): WrittenResult => ({
  againAfterSeconds: WRITTEN_SECONDS,
  events: [{ type: "Normal", reason: "WrittenBack", message: writtenText(spec, write) }],
  outcome: "WrittenBack",
});

/** What the decision found out, and what the judgement tells beside. */
const completed = (judgement: Judgement, finding: Finding): Finding => {
  const { observed, reading } = judgement;
  const wanted =
    reading === undefined || reading.outcome === "unavailable" ? undefined : pendingForceSync(judgement);
  const used = usedChoice(judgement);
  const leak = lastAppliedLeakText(secretsOf(observed));
  return {
    ...finding,
    secretUid: observed.owned?.secret.metadata.uid ?? null,
    ...(leak !== undefined && { leak }),
    ...(wanted !== undefined && { lastForceSync: wanted }),
    ...(used !== undefined && { lastResolve: used }),
  };
};

/**
 * The sync hook, after the reading was judged. `failure` is what came of planWrite; undefined where it was to do nothing. After
 * a write that succeeded there is no sync but writtenBack. The same arguments give the same bytes.
 */
export const sync = (judgement: Judgement, failure?: FailedWrite): SyncResult => {
  const { parent, spec, observed } = judgement;
  const { children, finding, after } = decide(judgement, failure);
  return {
    response: {
      status: nextStatus(judgement, completed(judgement, finding)),
      children: [...children],
      ...(after !== undefined &&
        (spec.autoSync || isUnfinished(finding.reason, observed)) && {
          resyncAfterSeconds: resyncAfter(parent.metadata.uid, after),
        }),
    },
    events: eventsOf(judgement, finding),
    outcome: finding.reason,
  };
};
