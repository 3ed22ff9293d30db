// SPDX-License-Identifier: Apache-2.0
// The finalize hook: lets the HSMSecret go. Its Secret goes with it, or stays where the user asked to orphan it.
import type { HookEvent } from "../hook-event.ts";
import type { FinalizeResponse } from "../metacontroller.ts";
import { relisted } from "./child.ts";
import { observe } from "./observed.ts";
import type { HookContext } from "./plan.ts";
import { resolveSpec } from "./resolved-spec.ts";
import type { HSMSecretSyncRequest } from "./schema.ts";

/** The finalizer that `kubectl delete --cascade=orphan` puts on an object; the garbage collector removes it. */
const ORPHAN = "orphan";

export interface FinalizeResult {
  readonly response: FinalizeResponse;
  readonly events: readonly HookEvent[];
  readonly outcome: "Finalized" | "Orphaning";
}

/** The finalize hook. The data on the token stays (spec.deletionPolicy: Retain). */
export const finalize = (request: HSMSecretSyncRequest, _context: HookContext): FinalizeResult => {
  const spec = resolveSpec(request.parent);
  const { owned, stale } = observe(request, spec);
  const secrets = owned === undefined ? stale : [owned, ...stale];
  if (secrets.length > 0 && request.parent.metadata.finalizers?.includes(ORPHAN)) {
    // A child that is left out is deleted at once: it is listed until the garbage collector has let go of it.
    return {
      response: {
        finalized: false,
        children: secrets.map((secret) => relisted(spec, secret)),
        ...(request.parent.status === undefined ? {} : { status: request.parent.status }),
      },
      events: [],
      outcome: "Orphaning",
    };
  }
  return { response: { finalized: true, children: [] }, events: [], outcome: "Finalized" };
};
