// SPDX-License-Identifier: Apache-2.0
// Whether a sync needs the token, and what it asks of it: decided before the shell does any I/O.
import { checksumOfBase64 } from "../checksum.ts";
import { MAX_PATH_BYTES } from "../hsm-path.ts";
import type { KeyedChecksums } from "../keyed-checksum.ts";
import type { Secret } from "../kubernetes.ts";
import { mayRead, type PathPolicy } from "../path-policy.ts";
import { isAsSynced } from "./applied.ts";
import { baseOf, isUnedited, scopeOf } from "./base.ts";
import type { HookContext } from "./context.ts";
import { controllerOf, type Observed, observe } from "./observed.ts";
import { type ResolvedSpec, resolveSpec } from "./resolved-spec.ts";
import { FORCE_SYNC, type HSMSecret, type HSMSecretSyncRequest, RESOLVE } from "./schema.ts";
import { previousStatus, readyReason } from "./status.ts";
import { templateFault } from "./template.ts";

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

/** Why a sync stops before the token is asked. */
export interface Refusal {
  readonly reason: "Forbidden" | "InvalidKey" | "Conflict";
  readonly message: string;
}

/** The value of the force-sync annotation if it has not been obeyed yet. */
export const pendingForceSync = (parent: HSMSecret): string | undefined => {
  const wanted = parent.metadata.annotations?.[FORCE_SYNC];
  return wanted === previousStatus(parent).lastForceSync ? undefined : wanted;
};

/** Whether the resolve annotation says something that the status does not call used up. */
const isChoosing = (parent: HSMSecret): boolean => {
  const choice = parent.metadata.annotations?.[RESOLVE];
  return choice !== undefined && choice !== previousStatus(parent).lastResolve;
};

/** Whether a Secret that a status calls synced is also by its base what the token held. Without writeBack it needs none. */
export const isAgreed = (spec: ResolvedSpec, secret: Secret, checksums: KeyedChecksums): boolean =>
  spec.writeBack === "Never" ||
  (isUnedited(secret, checksums) === true && baseOf(secret)?.scope === scopeOf(spec));

/** What is wrong with the HSMSecret before the token is asked, if anything: its path, its template, or its Secret. */
export const refusalOf = (
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

/** Whether what the last sync noted can still be compared: its key may have gone since. */
const isComparable = (parent: HSMSecret, owned: Secret, checksums: KeyedChecksums): boolean => {
  const noted = [previousStatus(parent).secretChecksum, baseOf(owned)?.checksum];
  return noted.every((shown) => shown === undefined || checksums.knows(shown));
};

/** Whether the spec or the user asks for a reading although autoSync is off, or asked for one that failed. */
const isDue = (parent: HSMSecret, { owned }: Observed, checksums: KeyedChecksums): boolean => {
  const status = previousStatus(parent);
  const reason = readyReason(status);
  return (
    owned === undefined ||
    !isComparable(parent, owned, checksums) ||
    status.observedGeneration !== parent.metadata.generation ||
    reason === "Applying" ||
    reason === "HSMUnavailable" ||
    reason === "WriteBackFailed" ||
    (reason === "Conflict" && isChoosing(parent)) ||
    pendingForceSync(parent) !== undefined
  );
};

/** Whether `owned` holds all that the last reading found at the path, as it does when a sync that made it is followed by the next. */
const isAsRead = (
  parent: HSMSecret,
  spec: ResolvedSpec,
  owned: Secret,
  checksums: KeyedChecksums,
): boolean => {
  const { hsmPath, hsmChecksum, observedGeneration } = previousStatus(parent);
  return (
    spec.data === undefined &&
    observedGeneration === parent.metadata.generation &&
    hsmPath === spec.hsmPath &&
    checksums.fits(hsmChecksum, checksumOfBase64(owned.data ?? {}))
  );
};

/** Plans the reading of a sync. The path is named only where the policy allows it. */
export const plan = (request: HSMSecretSyncRequest, context: HookContext): ReadPlan => {
  const { parent } = request;
  const spec = resolveSpec(parent);
  const observed = observe(request, spec);
  if (request.finalizing || refusalOf(parent, spec, observed, context.policy) !== undefined) {
    return { read: false };
  }
  if (!spec.autoSync && !isDue(parent, observed, context.checksums)) return { read: false };
  const status = previousStatus(parent);
  // Under writeBack the note beside the data has to be seen, which an answer "unchanged" does not carry.
  const { checksums } = context;
  const trusted =
    spec.writeBack === "Never" &&
    observed.owned !== undefined &&
    (isAsSynced(parent, spec, observed.owned, checksums) ||
      isAsRead(parent, spec, observed.owned, checksums));
  const seen = status.hsmChecksum;
  const named = trusted && seen !== undefined && checksums.knows(seen) && !checksums.isOutdated(seen);
  return {
    read: true,
    path: spec.hsmPath,
    ...(spec.device === undefined ? {} : { device: spec.device }),
    ...(named ? { ifNoneMatch: seen } : {}),
    fresh: pendingForceSync(parent) !== undefined,
  };
};
