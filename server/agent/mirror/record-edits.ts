// SPDX-License-Identifier: Apache-2.0
// Edits set records: what joining, deletions and a mirror's pull make of one, or why it must not be edited.
import type { SetMembership } from "../role/lease.ts";
import { type Unavailable, unavailable } from "../store.ts";
import type { Tombstone } from "./plan-pull.ts";
import { isSameTombstone, type KeptTombstone, type SetRecord } from "./set-record.ts";

export const NO_MEMBER = unavailable("TOKEN_UNAVAILABLE", "the token belongs to no set of HSMs", 5);

/** Why the token with `record` is not one that is written in `epoch`. */
export const foreignTo = (epoch: number, record: SetRecord | undefined): Unavailable | undefined => {
  if (record === undefined) return NO_MEMBER;
  if (record.epoch === epoch) return undefined;
  const said = `the token is in epoch ${record.epoch} of its set, and not in ${epoch}; nothing was written`;
  return unavailable("TOKEN_UNAVAILABLE", said, 5);
};

/** The record of a token that is a member with `membership` from now on. Epoch 0 is that of a token that is adopted. */
export const joined = (
  record: SetRecord | undefined,
  { set, epoch }: SetMembership,
  role: "primary" | "mirror" = "mirror",
): SetRecord | Unavailable => {
  if (record === undefined) {
    return { set, epoch, tombstones: new Map(), ...(epoch === 0 && { adopted: true as const }) };
  }
  if (record.set !== set || record.epoch > epoch) {
    const said = `the token is in epoch ${record.epoch} of the set ${record.set}; nothing was written`;
    return unavailable("TOKEN_UNAVAILABLE", said, 5);
  }
  if (record.epoch === epoch) return record;
  // What a primary holds is what the set has.
  return role === "primary" ? settled({ ...record, epoch }) : { ...record, epoch };
};

/** The record of a token whose secrets of before are told apart from the set's. */
export const settled = (record: SetRecord): SetRecord => {
  if (record.adopted === undefined) return record;
  const { adopted: _, ...rest } = record;
  return rest;
};

/** The record with one more deletion. */
export const withTombstone = (record: SetRecord, tombstone: KeptTombstone): SetRecord => ({
  ...record,
  tombstones: new Map(record.tombstones).set(tombstone.path, tombstone),
});

/** The record without these deletions, as far as it has them. */
export const without = (record: SetRecord, seen: readonly Tombstone[]): SetRecord => {
  const tombstones = new Map(record.tombstones);
  for (const one of seen) {
    const kept = tombstones.get(one.path);
    if (kept !== undefined && isSameTombstone(kept, one)) tombstones.delete(one.path);
  }
  return tombstones.size === record.tombstones.size ? record : { ...record, tombstones };
};

/** The record with `wanted`, and with what this process has deleted in the epoch of the record: a list of before does not know it. */
export const replaced = (
  record: SetRecord,
  wanted: readonly Tombstone[],
  own: ReadonlyMap<string, Tombstone>,
): SetRecord => {
  const tombstones = new Map<string, KeptTombstone>();
  for (const one of wanted) {
    const kept = record.tombstones.get(one.path);
    const { path, epoch, version, history } = one;
    const isKept = kept !== undefined && isSameTombstone(kept, one);
    tombstones.set(path, isKept ? kept : { path, epoch, version, history });
  }
  for (const [path, kept] of record.tombstones) {
    const mine = own.get(path);
    const isMine = mine !== undefined && mine.epoch === record.epoch && isSameTombstone(mine, kept);
    if (isMine) tombstones.set(path, kept);
  }
  const isSame =
    tombstones.size === record.tombstones.size &&
    [...tombstones].every(([path, one]) => one === record.tombstones.get(path));
  return isSame ? record : { ...record, tombstones };
};
