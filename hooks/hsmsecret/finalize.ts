// SPDX-License-Identifier: Apache-2.0
// The finalize hook: lets the HSMSecret go. Its Secret goes with it, or stays where the user asked to orphan it; the data
// on the token go before it, where the spec says so.
import type { HookEvent } from "../hook-event.ts";
import { isHsmPath } from "../hsm-path.ts";
import type { FinalizeResponse } from "../metacontroller.ts";
import { mayWrite } from "../path-policy.ts";
import { leakOf, relisted } from "./child.ts";
import type { HookContext } from "./context.ts";
import { type Observed, observe, secretsOf } from "./observed.ts";
import { type ResolvedSpec, resolveSpec } from "./resolved-spec.ts";
import { resyncAfter } from "./resync.ts";
import type { HSMSecretSyncRequest } from "./schema.ts";
import { type Finding, nextStatus, previousStatus, type Reason } from "./status.ts";
import type { Removal, RemovalOutcome } from "./writing.ts";

/** The finalizer that `kubectl delete --cascade=orphan` puts on an object; the garbage collector removes it. */
const ORPHAN = "orphan";

/** Seconds after which a removal that failed is tried again, where the agent gives no advice. */
const RETRY_SECONDS = 15;

export interface FinalizeResult {
  readonly response: FinalizeResponse;
  readonly events: readonly HookEvent[];
  readonly outcome: "Finalized" | "Orphaning" | Reason;
}

/** Whether the garbage collector has still to let go of a Secret: one that is left out meanwhile would be deleted. */
const isOrphaning = (request: HSMSecretSyncRequest, observed: Observed): boolean =>
  secretsOf(observed).length > 0 && request.parent.metadata.finalizers?.includes(ORPHAN) === true;

/** What a finalize wants removed from the token: nothing before a Secret that shall stay is out of danger. */
export const planRemoval = (request: HSMSecretSyncRequest, context: HookContext): Removal | undefined => {
  const spec = resolveSpec(request.parent);
  if (spec.deletionPolicy === "Retain" || isOrphaning(request, observe(request, spec))) return undefined;
  if (!mayWrite(context.policy, request.parent.metadata.namespace, spec.hsmPath)) return undefined;
  return { path: spec.hsmPath, ...(spec.device === undefined ? {} : { device: spec.device }) };
};

const LET_GO = "To let it go and leave the data on the token, set spec.deletionPolicy to Retain.";

type Kept = Pick<Finding, "reason" | "message" | "stalled"> & { readonly after: number };

/** Why an HSMSecret with deletionPolicy Delete has to stay; undefined where its data are gone. */
const reasonToStay = (
  request: HSMSecretSyncRequest,
  context: HookContext,
  spec: ResolvedSpec,
  removal: RemovalOutcome | undefined,
): Kept | undefined => {
  const { namespace } = request.parent.metadata;
  // No token holds anything at a path that can't be.
  if (!isHsmPath(spec.hsmPath)) return undefined;
  const stays = `The HSMSecret stays until the data at ${spec.hsmPath} are removed (spec.deletionPolicy: Delete). ${LET_GO}`;
  if (!mayWrite(context.policy, namespace, spec.hsmPath)) {
    return {
      reason: "Forbidden",
      message: `spec.deletionPolicy: namespace ${namespace} may not remove ${spec.hsmPath}; that needs a rule with write: true in the path policy. ${stays}`,
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
export const finalize = (
  request: HSMSecretSyncRequest,
  context: HookContext,
  removal?: RemovalOutcome,
): FinalizeResult => {
  const { parent } = request;
  const spec = resolveSpec(parent);
  const observed = observe(request, spec);
  const children = secretsOf(observed).map((secret) => relisted(spec, secret));
  if (isOrphaning(request, observed)) {
    // A child that is left out is deleted at once: it is listed until the garbage collector has let go of it.
    const status = parent.status === undefined ? {} : { status: parent.status };
    return { response: { finalized: false, children, ...status }, events: [], outcome: "Orphaning" };
  }
  const kept = spec.deletionPolicy === "Retain" ? undefined : reasonToStay(request, context, spec, removal);
  if (kept === undefined) {
    return { response: { finalized: true, children: [] }, events: [], outcome: "Finalized" };
  }
  const { after, ...why } = kept;
  const leak = leakOf(secretsOf(observed));
  const finding: Finding = { ...why, syncStatus: "Error", ...(leak === undefined ? {} : { leak }) };
  const last = previousStatus(parent).conditions?.find(({ type }) => type === "Ready");
  const told = last?.reason === why.reason && last.message === why.message;
  return {
    response: {
      finalized: false,
      children,
      status: nextStatus(parent, finding, context),
      resyncAfterSeconds: resyncAfter(parent.metadata.uid, after),
    },
    events: told ? [] : [{ type: "Warning", reason: why.reason, message: why.message }],
    outcome: why.reason,
  };
};
