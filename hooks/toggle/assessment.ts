// SPDX-License-Identifier: Apache-2.0
// Collects all that a Toggle hook derives from the request; every later step takes it.
import type { HookContext } from "./context.ts";
import { type Links, linksOf } from "./dependencies.ts";
import { type Observed, observe } from "./observed.ts";
import { type ResolvedSpec, resolveSpec } from "./resolved-spec.ts";
import type { Toggle, ToggleStatus, ToggleSyncRequest } from "./schema.ts";
import { previousStatus } from "./status.ts";
import { decideSwitch } from "./switch.ts";
import { groupOf, KINDS, kindsOf, targetFault } from "./target.ts";

export interface Assessment {
  readonly parent: Toggle;
  readonly context: HookContext;
  readonly spec: ResolvedSpec;
  /** The status that the last sync left. */
  readonly before: ToggleStatus;
  readonly observed: Observed;
  /** What customize asked for, as far as it is not in `observed`. */
  readonly related: ToggleSyncRequest["related"];
  /** The Toggles that it depends on, and those that depend on it. */
  readonly links: Links;
  /** Why what it is for can't be told or switched. */
  readonly targetFault?: string;
}

/** Reads `request` under `context`; the other steps of a hook call take what it answers. */
export const assess = (request: ToggleSyncRequest, context: HookContext): Assessment => {
  const { parent } = request;
  const before = previousStatus(parent);
  const spec = resolveSpec(parent, decideSwitch(parent, before, context.now));
  const workloads = KINDS.flatMap((kind) => Object.values(request.related[groupOf(kind)] ?? {}));
  const fault = targetFault(parent, kindsOf(request.controller));
  return {
    parent,
    context,
    spec,
    before,
    observed: observe(request, spec),
    related: request.related,
    links: linksOf(parent, workloads),
    ...(fault !== undefined && { targetFault: fault }),
  };
};
