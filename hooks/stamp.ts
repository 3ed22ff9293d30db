// SPDX-License-Identifier: Apache-2.0
// Compares the writes of one path over several tokens: whether one write came after another and knew of it.

/**
 * When a secret or its deletion was written. `epoch` is that of the set, which has one writer; `version` counts the writes of the
 * path. `history`: the last version of each earlier epoch that this write has replaced, oldest first.
 */
export type Stamp = {
  readonly epoch: number;
  readonly version: number;
  readonly history: readonly (readonly [epoch: number, version: number])[];
};

/** Whether the write of `stamp` is `other` or came after it, knowing of it. */
export const includes = (stamp: Stamp, other: Pick<Stamp, "epoch" | "version">): boolean => {
  if (stamp.epoch === other.epoch) return stamp.version >= other.version;
  const known = stamp.history.find(([epoch]) => epoch === other.epoch);
  return known !== undefined && known[1] >= other.version;
};
