// SPDX-License-Identifier: Apache-2.0
// Computes the diff that a write would make: keys and sizes, never a value. Nor a checksum of one: that of a short value gives
// it away.

type KeyState = { bytes: number };
export type KeyChange = {
  key: string;
  change: "added" | "changed" | "removed" | "unchanged";
  before?: KeyState;
  after?: KeyState;
};

const stateOf = (value: Uint8Array): KeyState => ({ bytes: value.length });

/** Every key of either, sorted. */
export const diff = (
  before: ReadonlyMap<string, Uint8Array>,
  after: ReadonlyMap<string, Uint8Array>,
): KeyChange[] =>
  [...new Set([...before.keys(), ...after.keys()])].sort().map((key) => {
    const [was, is] = [before.get(key), after.get(key)];
    if (was === undefined || is === undefined) {
      return was === undefined
        ? { key, change: "added", ...(is !== undefined && { after: stateOf(is) }) }
        : { key, change: "removed", before: stateOf(was) };
    }
    return {
      key,
      change: Buffer.from(was).equals(is) ? "unchanged" : "changed",
      before: stateOf(was),
      after: stateOf(is),
    };
  });

const SIGNS = { added: "+", changed: "~", removed: "-", unchanged: " " } as const;

/** Lines for people; what stays as it is is left out. */
export const diffLines = (changes: readonly KeyChange[]): string[] =>
  changes
    .filter(({ change }) => change !== "unchanged")
    .map(({ key, change, before, after }) => {
      const states = [before, after].flatMap((state) => (state === undefined ? [] : [`${state.bytes} B`]));
      return `${SIGNS[change]} ${key}   ${states.join("   ->   ")}`;
    });

export const hasChanges = (changes: readonly KeyChange[]): boolean =>
  changes.some(({ change }) => change !== "unchanged");
