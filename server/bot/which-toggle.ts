// SPDX-License-Identifier: Apache-2.0
// Which Toggle a command is for: the one that it names, else the default one, else the only one.
import type { Toggle } from "../../hooks/toggle/schema.ts";

export type Choice =
  | { readonly state: "one"; readonly toggle: Toggle }
  /** The command names none, and there are several: the user is asked. */
  | { readonly state: "which"; readonly names: readonly string[] }
  /** There is none of the name, or none at all, that this user may use here. `names` are those that there are. */
  | { readonly state: "none"; readonly name?: string; readonly names: readonly string[] };

/** Chooses among `visible`: those that the user may use in this room. The others must not be told from missing ones. */
export const whichToggle = (
  name: string | undefined,
  visible: readonly Toggle[],
  defaultName: string,
): Choice => {
  const names = visible.map(({ metadata }) => metadata.name);
  const called = (wanted: string) => visible.find(({ metadata }) => metadata.name === wanted);
  if (name !== undefined) {
    const toggle = called(name);
    return toggle === undefined ? { state: "none", name, names } : { state: "one", toggle };
  }
  const toggle = called(defaultName) ?? (visible.length === 1 ? visible[0] : undefined);
  if (toggle !== undefined) return { state: "one", toggle };
  return names.length === 0 ? { state: "none", names } : { state: "which", names };
};
