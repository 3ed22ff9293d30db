// SPDX-License-Identifier: Apache-2.0
// Assesses an HSMSecret before the token is read, once for each hook call, and plans the reading: whether there is one, and
// with which If-None-Match.
import { once } from "../checksum.ts";
import { MAX_PATH_BYTES } from "../formats.ts";
import type { Secret } from "../kubernetes.ts";
import { controllerOf } from "../metadata.ts";
import { mayRead, type PathPolicy } from "../path-policy.ts";
import type { HookContext } from "./context.ts";
import { isUnedited, type Observed, type OwnedSecret, observe, scopeOf } from "./observed.ts";
import { type ResolvedSpec, resolveSpec, templateFault } from "./resolved-spec.ts";
import {
  FORCE_SYNC,
  type HSMSecret,
  type HSMSecretStatus,
  type HSMSecretSyncRequest,
  RESOLVE,
} from "./schema.ts";
import { previousStatus, readyReason } from "./status.ts";

export interface Assessment {
  readonly parent: HSMSecret;
  /** Whether the HSMSecret is being deleted. */
  readonly finalizing: boolean;
  readonly context: HookContext;
  readonly spec: ResolvedSpec;
  /** What a base of this spec can be compared with; see scopeOf(). */
  readonly scope: () => string;
  /** The status that the last sync left. */
  readonly before: HSMSecretStatus;
  readonly observed: Observed;
  /** Why the token is not asked, where something is wrong with the HSMSecret. */
  readonly refusal: Refusal | undefined;
}

/** Reads `request` under `context`; the other steps of a hook call take what it answers. */
export const assess = (request: HSMSecretSyncRequest, context: HookContext): Assessment => {
  const { parent, finalizing } = request;
  const spec = resolveSpec(parent);
  const before = previousStatus(parent);
  const observed = observe(request, spec, before);
  return {
    parent,
    finalizing,
    context,
    spec,
    scope: once(() => scopeOf(spec)),
    before,
    observed,
    refusal: refusalOf(parent, spec, observed, context.policy),
  };
};

/** Why a sync stops before the token is asked. */
interface Refusal {
  readonly reason: "Forbidden" | "InvalidKey" | "Conflict";
  readonly message: string;
}

/** What is wrong with the HSMSecret before the token is asked, if anything: its path, its template, or its Secret. */
const refusalOf = (
  parent: HSMSecret,
  spec: ResolvedSpec,
  observed: Observed,
  policy: PathPolicy,
): Refusal | undefined => {
  const { namespace, name } = parent.metadata;
  const bytes = Buffer.byteLength(spec.hsmPath);
  if (bytes > MAX_PATH_BYTES) {
    const whose =
      parent.spec?.hsmPath === undefined
        ? `the default, secrets/<namespace>/<name> with a namespace of ${namespace.length} and a name of ${name.length} bytes,`
        : "the path";
    return {
      reason: "InvalidKey",
      message: `spec.hsmPath: ${whose} has ${bytes} bytes, and a path on the token takes ${MAX_PATH_BYTES}. Set spec.hsmPath to a shorter one.`,
    };
  }
  if (!mayRead(policy, namespace, spec.hsmPath)) {
    return {
      reason: "Forbidden",
      message: `spec.hsmPath: namespace ${namespace} may read secrets/${namespace}/… and not ${spec.hsmPath}. Use a path of its own, or ask whoever runs Keyswitch for a rule in the path policy.`,
    };
  }
  const fault = templateFault(spec);
  if (fault !== undefined) return { reason: "InvalidKey", message: fault };
  if (!observed.known) {
    return {
      reason: "Conflict",
      message:
        "The CompositeController has no customize hook, so it can't be told whose Secret this is. Install it as in manifests/.",
    };
  }
  return observed.foreign === undefined ? undefined : refusalOfForeign(spec, observed.foreign);
};

const refusalOfForeign = (spec: ResolvedSpec, secret: Secret): Refusal | undefined => {
  const owner = controllerOf(secret);
  if (owner === undefined && spec.adopt) return undefined;
  const whose = owner === undefined ? "no HSMSecret owns it" : `belongs to ${owner.kind} ${owner.name}`;
  const help = owner === undefined ? "Set spec.adopt to take it over, choose" : "Choose";
  return {
    reason: "Conflict",
    message: `The Secret ${spec.secretName} exists and ${whose}. ${help} another spec.secretName, or delete that Secret.`,
  };
};

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

/** Whether `owned` holds what a sync last called synced under this generation of the spec. */
export const isAsSynced = (
  { parent, spec, before, context }: Assessment,
  { secret, whole }: OwnedSecret,
): boolean =>
  before.syncStatus === "InSync" &&
  before.observedGeneration === parent.metadata.generation &&
  (secret.type ?? "Opaque") === spec.secretType &&
  context.checksums.fits(before.secretChecksum, whole.checksum);

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
