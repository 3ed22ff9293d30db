// SPDX-License-Identifier: Apache-2.0
// Plans the read request for the token: whether a sync needs one, and with which If-None-Match.

import { isAsSynced } from "./applied-version.ts";
import type { Assessment } from "./assessment.ts";
import { isUnedited, type OwnedSecret } from "./observed.ts";
import { FORCE_SYNC, RESOLVE } from "./schema.ts";
import { readyReason } from "./status.ts";

/** What the shell shall read. `fresh` asks for a view of the token that is loaded after the request. */
export type ReadPlan =
  | { readonly read: false }
  | {
      readonly read: true;
      readonly path: string;
      readonly device?: string;
      /** Checksum of what the Secret holds already, as the status shows it; the answer "unchanged" is enough then. */
      readonly ifNoneMatch?: string;
      readonly fresh: boolean;
    };

/** The value of the force-sync annotation if it has not been obeyed yet. */
export const pendingForceSync = ({ parent, before }: Assessment): string | undefined => {
  const wanted = parent.metadata.annotations?.[FORCE_SYNC];
  return wanted === before.lastForceSync ? undefined : wanted;
};

/** Whether the resolve annotation says something that the status does not call used up. */
const isChoosing = ({ parent, before }: Assessment): boolean => {
  const choice = parent.metadata.annotations?.[RESOLVE];
  return choice !== undefined && choice !== before.lastResolve;
};

/** Whether a Secret that a status calls synced is also by its base what the token held. Without writeBack it needs none. */
export const isConfirmedByBase = ({ spec, scope, context }: Assessment, owned: OwnedSecret): boolean =>
  spec.writeBack === "Never" ||
  (isUnedited(owned, context.checksums) === true && owned.base?.scope === scope());

/** Whether what the last sync noted can still be compared: its key may have gone since. */
const isComparable = ({ before, context }: Assessment, { base }: OwnedSecret): boolean =>
  [before.secretChecksum, base?.checksum].every(
    (shown) => shown === undefined || context.checksums.knows(shown),
  );

/** Whether the spec or the user asks for a reading although autoSync is off, or asked for one that failed. */
const isDue = (assessment: Assessment): boolean => {
  const { parent, before, observed } = assessment;
  const reason = readyReason(before);
  return (
    observed.owned === undefined ||
    !isComparable(assessment, observed.owned) ||
    before.observedGeneration !== parent.metadata.generation ||
    reason === "Applying" ||
    reason === "HSMUnavailable" ||
    reason === "WriteBackFailed" ||
    (reason === "Conflict" && isChoosing(assessment)) ||
    pendingForceSync(assessment) !== undefined
  );
};

/** Whether `owned` holds all that the last reading found at the path, as it does when a sync that made it is followed by the next. */
const isAsRead = ({ parent, spec, before, context }: Assessment, { whole }: OwnedSecret): boolean =>
  spec.data === undefined &&
  before.observedGeneration === parent.metadata.generation &&
  before.hsmPath === spec.hsmPath &&
  context.checksums.fits(before.hsmChecksum, whole.checksum);

/** The checksum that the reading can be compared with; none where more has to be seen than that nothing has changed. */
const knownChecksum = (assessment: Assessment): string | undefined => {
  const { spec, before, observed, context } = assessment;
  const { owned } = observed;
  // Under writeBack the note beside the data has to be seen, which an answer "unchanged" does not carry.
  if (spec.writeBack !== "Never" || owned === undefined) return undefined;
  if (!isAsSynced(assessment, owned) && !isAsRead(assessment, owned)) return undefined;
  const seen = before.hsmChecksum;
  const { checksums } = context;
  return seen !== undefined && checksums.knows(seen) && !checksums.isOutdated(seen) ? seen : undefined;
};

/** Plans the reading of a sync. The path is named only where the policy allows it. */
export const plan = (assessment: Assessment): ReadPlan => {
  const { finalizing, spec, refusal } = assessment;
  if (finalizing || refusal !== undefined) return { read: false };
  if (!spec.autoSync && !isDue(assessment)) return { read: false };
  const ifNoneMatch = knownChecksum(assessment);
  return {
    read: true,
    path: spec.hsmPath,
    ...(spec.device !== undefined && { device: spec.device }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    fresh: pendingForceSync(assessment) !== undefined,
  };
};
