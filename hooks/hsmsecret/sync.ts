// SPDX-License-Identifier: Apache-2.0
// The sync hook: from the observed HSMSecret and Secret, and a reading of the token, to the Secret that shall be.
import { checksumOfBase64 } from "../checksum.ts";
import type { HookEvent } from "../hook-event.ts";
import type { SyncResponse } from "../metacontroller.ts";
import { decide } from "./decide.ts";
import { type Observed, observe } from "./observed.ts";
import { type HookContext, pendingForceSync } from "./plan.ts";
import type { Reading } from "./reading.ts";
import { resolveSpec } from "./resolved-spec.ts";
import { resyncAfter } from "./resync.ts";
import type { HSMSecret, HSMSecretSyncRequest } from "./schema.ts";
import { type Finding, nextStatus, previousStatus, type Reason } from "./status.ts";

export interface SyncResult {
  readonly response: SyncResponse;
  readonly events: readonly HookEvent[];
  /** The reason of the Ready condition, for logs and metrics. */
  readonly outcome: Reason;
}

/** Whether a sync without autoSync must be followed by another: it has not got the content that it was asked for. */
const isUnfinished = (reason: Reason, observed: Observed): boolean =>
  reason === "HSMUnavailable" ||
  reason === "Applying" ||
  (reason === "ObjectNotFound" && observed.owned === undefined);

/** The events of a sync: one where the reason changed, none where nothing happened. */
const eventsOf = (parent: HSMSecret, finding: Finding): HookEvent[] => {
  const before = previousStatus(parent);
  const { reason, message } = finding;
  const last = before.conditions?.find(({ type }) => type === "Ready");
  if (last?.reason === reason && last.message === message) return [];
  const type = reason === "Synced" || reason === "Applying" ? "Normal" : "Warning";
  return [{ type, reason, message }];
};

/**
 * The sync hook. `reading` is what came of the plan (see plan.ts); it is undefined where the plan was not to read.
 * The same arguments give the same bytes.
 */
export const sync = (
  request: HSMSecretSyncRequest,
  context: HookContext,
  reading: Reading | undefined,
): SyncResult => {
  const { parent } = request;
  const spec = resolveSpec(parent);
  const observed = observe(request, spec);
  const secretChecksum = observed.owned === undefined ? null : checksumOfBase64(observed.owned.data ?? {});
  const { children, finding, after } = decide({ parent, spec, observed, secretChecksum }, context, reading);
  const wanted =
    reading === undefined || reading.outcome === "unavailable" ? undefined : pendingForceSync(parent);
  const full = wanted === undefined ? finding : { ...finding, lastForceSync: wanted };
  return {
    response: {
      status: nextStatus(parent, full, context.now),
      children: [...children],
      ...(after !== undefined && (spec.autoSync || isUnfinished(finding.reason, observed))
        ? { resyncAfterSeconds: resyncAfter(parent.metadata.uid, after) }
        : {}),
    },
    events: eventsOf(parent, finding),
    outcome: finding.reason,
  };
};
