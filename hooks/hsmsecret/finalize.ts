// SPDX-License-Identifier: Apache-2.0
// Implements the finalize hook: deletes or orphans the Secret, after deleting the data on the token where spec.deletionPolicy
// asks for it.
import { isHsmPath } from "../formats.ts";
import type { FinalizeResponse, HookResult } from "../metacontroller.ts";
import { isBeingOrphaned } from "../metadata.ts";
import { mayWrite } from "../path-policy.ts";
import type { Assessment } from "./assessment.ts";
import { lastAppliedLeakText, relisted } from "./child.ts";
import { resyncAfter } from "./decision.ts";
import { secretsOf } from "./observed.ts";
import { type Finding, isReported, nextStatus, type Reason } from "./status.ts";
import type { Removal, RemovalOutcome } from "./token-write.ts";

/** Seconds after which a removal that failed is tried again, where the agent gives no advice. */
const RETRY_SECONDS = 15;

export type FinalizeResult = HookResult<FinalizeResponse, "Finalized" | "Orphaning" | Reason>;

/** Whether the garbage collector has still to let go of a Secret: one that is left out meanwhile would be deleted. */
const isOrphaning = ({ parent, observed }: Assessment): boolean =>
  secretsOf(observed).length > 0 && isBeingOrphaned(parent);

const mayRemove = ({ parent, spec, context }: Assessment): boolean =>
  mayWrite(context.policy, parent.metadata.namespace, spec.hsmPath);

/** What a finalize wants removed from the token: nothing before a Secret that shall stay is out of danger. */
export const planRemoval = (assessment: Assessment): Removal | undefined => {
  const { spec } = assessment;
  if (spec.deletionPolicy === "Retain" || isOrphaning(assessment) || !mayRemove(assessment)) return undefined;
  return { path: spec.hsmPath, ...(spec.device !== undefined && { device: spec.device }) };
};

const LET_GO = "To let it go and leave the data on the token, set spec.deletionPolicy to Retain.";

type Kept = Pick<Finding, "reason" | "message" | "stalled"> & { readonly after: number };

/** Why an HSMSecret with deletionPolicy Delete has to stay; undefined where its data are gone. */
const reasonToStay = (assessment: Assessment, removal: RemovalOutcome | undefined): Kept | undefined => {
  const { parent, spec } = assessment;
  // No token holds anything at a path that can't be.
  if (!isHsmPath(spec.hsmPath)) return undefined;
  const stays = `The HSMSecret stays until the data at ${spec.hsmPath} are removed (spec.deletionPolicy: Delete). ${LET_GO}`;
  if (!mayRemove(assessment)) {
    return {
      reason: "Forbidden",
      message: `spec.deletionPolicy: namespace ${parent.metadata.namespace} may not remove ${spec.hsmPath}; that needs a rule with write: true in the path policy. ${stays}`,
      after: spec.syncInterval,
    };
  }
  switch (removal?.outcome) {
    case "removed":
      return undefined;
    case "refused":
      return {
        reason: "WriteBackFailed",
        message: `${removal.code}: ${removal.message} ${stays}`,
        stalled: true,
        after: Math.min(spec.syncInterval, 60),
      };
    case undefined:
    case "unavailable":
      return {
        reason: "HSMUnavailable",
        message: `${removal?.code ?? "TIMEOUT"}: ${removal?.message ?? "The removal was not tried."} ${stays}`,
        after: Math.max(1, Math.min(60, removal?.retryAfterSeconds ?? RETRY_SECONDS)),
      };
  }
};

/**
 * The finalize hook. `removal` is what came of planRemoval. An HSMSecret whose data shall go is kept, with its Secret as it
 * is, until they are known to be gone.
 */
export const finalize = (assessment: Assessment, removal?: RemovalOutcome): FinalizeResult => {
  const { parent, spec, before, observed } = assessment;
  const secrets = secretsOf(observed);
  const children = secrets.map((secret) => relisted(spec, secret));
  if (isOrphaning(assessment)) {
    // A child that is left out is deleted at once: it is listed until the garbage collector has let go of it.
    const status = parent.status === undefined ? {} : { status: parent.status };
    return { response: { finalized: false, children, ...status }, events: [], outcome: "Orphaning" };
  }
  const kept = spec.deletionPolicy === "Retain" ? undefined : reasonToStay(assessment, removal);
  if (kept === undefined) {
    return { response: { finalized: true, children: [] }, events: [], outcome: "Finalized" };
  }
  const { after, ...why } = kept;
  const leak = lastAppliedLeakText(secrets);
  const finding: Finding = { ...why, syncStatus: "Error", ...(leak !== undefined && { leak }) };
  return {
    response: {
      finalized: false,
      children,
      status: nextStatus(assessment, finding),
      resyncAfterSeconds: resyncAfter(parent.metadata.uid, after),
    },
    events: isReported(before, why) ? [] : [{ type: "Warning", reason: why.reason, message: why.message }],
    outcome: why.reason,
  };
};
