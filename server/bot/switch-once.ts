// SPDX-License-Identifier: Apache-2.0
// Patches a Toggle so that a command takes effect at most once, whatever fails in between.
// Each patch is bound to the generation that was written down before it: it can only be the next change.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import {
  isApplied,
  type ToggleFailure,
  type TogglePatch,
  type ToggleResult,
  type Toggles,
} from "../kubernetes/toggles.ts";
import type { Clock } from "../time.ts";
import { startDeadline } from "./api-deadline.ts";
import type { Begun } from "./journal.ts";

export type Switched =
  | { readonly state: "switched"; readonly toggle: Toggle }
  /** It was cut off, the Toggle has changed since, and it is not known whether the command took effect before that. */
  | { readonly state: "interrupted"; readonly toggle: Toggle }
  /** It did not take effect, and has become too old to. */
  | { readonly state: "late"; readonly toggle: Toggle }
  /** The user may not use the Toggle any more. */
  | { readonly state: "hidden" }
  | { readonly state: "failed"; readonly why: ToggleFailure };

export type SwitchContext = {
  readonly toggles: Pick<Toggles, "get" | "patch">;
  readonly clock: Clock;
  /** Whether the user may use a Toggle as it is now. */
  mayUse(toggle: Toggle): boolean;
  /** Written down before the patch is sent. */
  onBegin(begun: Begun): void;
};

const failed = (why: ToggleFailure): Switched => ({ state: "failed", why });

/** What has become of a switch that may have been sent; undefined: nothing, and it can be sent. */
const verdictOf = (begun: Begun, toggle: Toggle, mayUse: SwitchContext["mayUse"]): Switched | undefined => {
  if (!mayUse(toggle)) return { state: "hidden" };
  const same = toggle.metadata.uid === begun.uid;
  if (same && isApplied(toggle, begun.patch)) return { state: "switched", toggle };
  return same && toggle.metadata.generation === begun.generation
    ? undefined
    : { state: "interrupted", toggle };
};

const begin = (toggle: Toggle, patch: TogglePatch, { onBegin }: SwitchContext): Begun => {
  const { name, uid, generation = 0 } = toggle.metadata;
  const begun = { toggle: name, uid, generation, patch };
  onBegin(begun);
  return begun;
};

const run = async (
  context: SwitchContext,
  start: { begun: Begun; mayHaveBeenSent: boolean },
  isLate: () => boolean,
): Promise<Switched> => {
  const { toggles, clock, mayUse } = context;
  const deadline = startDeadline(clock);
  const get = (name: string) => deadline.inTime(toggles.get(name));
  let { begun, mayHaveBeenSent } = start;
  for (;;) {
    let result: ToggleResult | undefined;
    if (mayHaveBeenSent) {
      const found = await get(begun.toggle);
      const verdict = found.ok ? verdictOf(begun, found.toggle, mayUse) : undefined;
      if (verdict !== undefined) return verdict;
      if (found.ok && isLate()) return { state: "late", toggle: found.toggle };
      if (!found.ok) result = found;
    }
    result ??= await deadline.inTime(toggles.patch(begun.toggle, begun.patch, begun.generation));
    if (result.ok) return { state: "switched", toggle: result.toggle };
    if (result.why === "unavailable") mayHaveBeenSent = true;
    else if (result.why !== "changed") return failed(result.why);
    else if (!mayHaveBeenSent) {
      // What the watch remembered was old. This patch was refused for certain: it can begin anew.
      const found = await get(begun.toggle);
      if (found.ok && !mayUse(found.toggle)) return { state: "hidden" };
      if (found.ok) begun = begin(found.toggle, begun.patch, context);
      else if (found.why !== "unavailable") return failed(found.why);
    }
    if (!(await deadline.pause())) return failed(result.why);
  }
};

/** Switches `toggle`, which was just looked up. */
export const switchOnce = (context: SwitchContext, toggle: Toggle, patch: TogglePatch): Promise<Switched> =>
  run(context, { begun: begin(toggle, patch, context), mayHaveBeenSent: false }, () => false);

/** Ends a switch that was begun before the process was killed. `isLate`: whether it may not take effect any more. */
export const resumeSwitch = (
  context: Omit<SwitchContext, "onBegin">,
  begun: Begun,
  isLate: () => boolean,
): Promise<Switched> => run({ ...context, onBegin: () => {} }, { begun, mayHaveBeenSent: true }, isLate);
