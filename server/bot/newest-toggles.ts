// SPDX-License-Identifier: Apache-2.0
// The Toggles, no older than what our own patches answered: the watch tells of them a moment later.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Toggles } from "../kubernetes/toggles.ts";

/** `toggles`, whose memory never goes back behind a patch made through it. */
export const newestOf = (toggles: Toggles): Toggles => {
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
