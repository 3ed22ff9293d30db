// SPDX-License-Identifier: Apache-2.0
// Assesses an HSMSecret before the token is read, once for each hook call: its spec, its Secret, and whether the token is to be
// read.
import { MAX_PATH_BYTES } from "../hsm-path.ts";
import type { Secret } from "../kubernetes.ts";
import { controllerOf } from "../metadata.ts";
import { once } from "../once.ts";
import { mayRead, type PathPolicy } from "../path-policy.ts";
import { scopeOf } from "./base.ts";
import type { HookContext } from "./context.ts";
import { type Observed, observe } from "./observed.ts";
import { type ResolvedSpec, resolveSpec } from "./resolved-spec.ts";
import type { HSMSecret, HSMSecretStatus, HSMSecretSyncRequest } from "./schema.ts";
import { previousStatus } from "./status.ts";
import { templateFault } from "./template.ts";

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
