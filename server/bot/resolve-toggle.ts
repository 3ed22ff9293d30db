// SPDX-License-Identifier: Apache-2.0
// Finds the Toggle of a command: in the watch's memory while that is current, else by asking the API server.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import type { Access, Speaker } from "./access.ts";
import { type Refusal, watchRefusal } from "./refusal-text.ts";
import { type Choice, whichToggle } from "./which-toggle.ts";

export type Resolved = Choice | { readonly state: "failed"; readonly why: Refusal };

export type ToggleView = {
  readonly toggles: Pick<Toggles, "list" | "get" | "state">;
  readonly access: Pick<Access, "mayUse">;
  readonly defaultName: string;
};

/** The Toggles that `speaker` may use, by name, as far as they are known. */
export const visibleTo = (
  { toggles, access }: { toggles: Pick<Toggles, "list">; access: Pick<Access, "mayUse"> },
  speaker: Speaker,
): Toggle[] => toggles.list().filter((toggle) => access.mayUse(toggle, speaker));

/** The Toggle that a command of `speaker` is for, which may name one. It is a current one. */
export const resolveToggle = async (
  view: ToggleView,
  name: string | undefined,
  speaker: Speaker,
): Promise<Resolved> => {
  const visible = visibleTo(view, speaker);
  const choice = whichToggle(name, visible, view.defaultName);
  if (view.toggles.state().ok || choice.state === "which") return choice;
  const candidate = choice.state === "one" ? choice.toggle.metadata.name : (name ?? view.defaultName);
  const found = await view.toggles.get(candidate);
  const names = visible.map(({ metadata }) => metadata.name).filter((other) => other !== candidate);
  const none: Choice = { state: "none", ...(name === undefined ? {} : { name }), names };
  if (found.ok)
    return view.access.mayUse(found.toggle, speaker) ? { state: "one", toggle: found.toggle } : none;
  if (found.why !== "not-found") return { state: "failed", why: found.why };
  // Which others there are is not known now.
  const why = watchRefusal(view.toggles);
  return name === undefined || why === "no-toggles" ? { state: "failed", why } : none;
};
