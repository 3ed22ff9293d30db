// SPDX-License-Identifier: Apache-2.0
// Collects all that an HSMSecret hook derives from the request before the token is read; every later step takes it.
import { once } from "../once.ts";
import { scopeOf } from "./base.ts";
import type { HookContext } from "./context.ts";
import { type Observed, observe } from "./observed.ts";
import { type Refusal, refusalOf } from "./refusal.ts";
import { type ResolvedSpec, resolveSpec } from "./resolved-spec.ts";
import type { HSMSecret, HSMSecretStatus, HSMSecretSyncRequest } from "./schema.ts";
import { previousStatus } from "./status.ts";

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
