// SPDX-License-Identifier: Apache-2.0
// Resolves the Toggle that a command is for: the one it names, else the default, else the only one. It reads the watch's cache
// while that is current, else the API server, and never a version older than the bot's own last patch.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { ToggleFailure, Toggles } from "../kubernetes/toggles.ts";
import type { Access, CommandSource } from "./access.ts";

export type Choice =
  | { readonly kind: "one"; readonly toggle: Toggle }
  /** The command names none, and there are several: the user is asked. */
  | { readonly kind: "which"; readonly names: readonly string[] }
  /** There is none of the name, or none at all, that this user may use here. `names` are those that there are. */
  | { readonly kind: "none"; readonly name?: string; readonly names: readonly string[] };

/** Chooses among `visible`: those that the user may use in this room. The others must not be told from missing ones. */
export const chooseToggle = (
  name: string | undefined,
  visible: readonly Toggle[],
  defaultName: string,
): Choice => {
  const names = visible.map(({ metadata }) => metadata.name);
  const called = (wanted: string) => visible.find(({ metadata }) => metadata.name === wanted);
  if (name !== undefined) {
    const toggle = called(name);
    return toggle === undefined ? { kind: "none", name, names } : { kind: "one", toggle };
  }
  const toggle = called(defaultName) ?? (visible.length === 1 ? visible[0] : undefined);
  if (toggle !== undefined) return { kind: "one", toggle };
  return names.length === 0 ? { kind: "none", names } : { kind: "which", names };
};

/** What keeps every command from being done. `no-toggles`: the cluster has no Toggles at all, their CRD is gone. */
export type Refusal = Exclude<ToggleFailure, "not-found"> | "no-toggles";

/** Why the Toggles are not seen, while their watch is down. */
export const watchRefusal = (toggles: Pick<Toggles, "state">): Refusal => {
  const { why = "unavailable" } = toggles.state();
  return why === "not-found" ? "no-toggles" : why;
};

export type Resolved = Choice | { readonly kind: "failed"; readonly why: Refusal };

export type ToggleView = {
  readonly toggles: Pick<Toggles, "list" | "get" | "state">;
  readonly access: Pick<Access, "mayUse">;
  readonly defaultName: string;
};

/** The Toggles that `source` may use, by name, as far as they are known. */
export const visibleTo = (
  { toggles, access }: { toggles: Pick<Toggles, "list">; access: Pick<Access, "mayUse"> },
  source: CommandSource,
): Toggle[] => toggles.list().filter((toggle) => access.mayUse(toggle, source));

/** The Toggle that a command of `source` is for, which may name one. It is a current one. */
export const resolveToggle = async (
  view: ToggleView,
  name: string | undefined,
  source: CommandSource,
): Promise<Resolved> => {
  const visible = visibleTo(view, source);
  const choice = chooseToggle(name, visible, view.defaultName);
  if (view.toggles.state().ok || choice.kind === "which") return choice;
  const candidate = choice.kind === "one" ? choice.toggle.metadata.name : (name ?? view.defaultName);
  const found = await view.toggles.get(candidate);
  const names = visible.map(({ metadata }) => metadata.name).filter((other) => other !== candidate);
  const none: Choice = { kind: "none", ...(name !== undefined && { name }), names };
  if (found.ok) {
    return view.access.mayUse(found.toggle, source) ? { kind: "one", toggle: found.toggle } : none;
  }
  if (found.why !== "not-found") return { kind: "failed", why: found.why };
  // Which others there are is not known now.
  const why = watchRefusal(view.toggles);
  return name === undefined || why === "no-toggles" ? { kind: "failed", why } : none;
};

/** `toggles`, whose memory never goes back behind a patch made through it: the watch tells of that a moment later. */
export const withReadYourWrites = (toggles: Toggles): Toggles => {
  const patched = new Map<string, Toggle>();
  const newer = (remembered: Toggle): Toggle => {
    const { name, uid, generation = 0 } = remembered.metadata;
    const ours = patched.get(name);
    if (ours === undefined) return remembered;
    if (ours.metadata.uid === uid && (ours.metadata.generation ?? 0) > generation) return ours;
    patched.delete(name);
    return remembered;
  };
  return {
    namespace: toggles.namespace,
    list: () => toggles.list().map(newer),
    find: (name) => {
      const remembered = toggles.find(name);
      return remembered && newer(remembered);
    },
    get: (name) => toggles.get(name),
    patch: async (name, patch, ifGeneration) => {
      const result = await toggles.patch(name, patch, ifGeneration);
      if (result.ok) patched.set(name, result.toggle);
      return result;
    },
    subscribe: (listener) => toggles.subscribe(listener),
    state: () => toggles.state(),
    close: () => toggles.close(),
  };
};
