// SPDX-License-Identifier: Apache-2.0
// Defines what a token does as a member of a set: its membership, stamped writes of a primary, and copies that a mirror takes over.
import type { StoredMetadata } from "../../agent-api/schema.ts";
import type { SetMembership } from "../role/lease.ts";
import type { Stamp } from "../storage/stamp.ts";
import type { Change, ChangeResult, Precondition, Unavailable } from "../store.ts";
import type { Holding, Tombstone } from "./plan-pull.ts";

/** The path of the packed secret in which a token keeps its set, epoch and tombstones. No client reads or writes it. */
export const SET_PATH = "keyswitch/1/set";

/** A secret as a mirror takes it over: byte for byte, with the metadata and the stamp that the primary gave it. */
export type Copy = {
  readonly data: ReadonlyMap<string, Uint8Array>;
  readonly metadata: StoredMetadata;
  readonly stamp: Stamp;
};

/** The token as a member of a set. Each write is made whole or not at all, as those of SecretStore are. */
export type MemberStore = {
  /** What the token says now. `isEmpty`: there is no secret on it; of a member, as far as the number of its objects tells. */
  membership(): Promise<
    { kind: "known"; membership: SetMembership | undefined; isEmpty: boolean } | Unavailable
  >;
  /** Makes the token a member, or raises its epoch; tombstones stay. In epoch 0 it is adopted, with secrets of its own. */
  join(membership: SetMembership, role?: "primary" | "mirror"): Promise<ChangeResult>;
  /** Of an adopted token: gives its own secrets these stamps, and notes that they are told apart from those of the set. */
  settle(own: readonly { readonly path: string; readonly stamp: Stamp }[]): Promise<ChangeResult>;
  /** All that the token holds of its set. Finishes deletions that were cut, and has none of their secrets. */
  holding(): Promise<{ kind: "holding"; holding: Holding } | Unavailable>;
  /**
   * Its membership, how many secrets it holds, and the sum of their versions and of those of its tombstones: without a list, where this
   * process has listed the token within the last minute and has written nothing since, and no object came or went.
   */
  totals(): Promise<
    { kind: "totals"; membership: SetMembership | undefined; secrets: number; versions: number } | Unavailable
  >;
  /**
   * A write of the primary in `epoch`, with a stamp that is greater than all that it replaces. A deletion leaves a tombstone, which is
   * on the token before the secret goes.
   */
  change(path: string, change: Change, precondition: Precondition, epoch: number): Promise<ChangeResult>;
  /** A copy of the primary's secret, in place of what is here. */
  take(path: string, copy: Copy): Promise<ChangeResult>;
  /** Removes what the primary has deleted. */
  remove(path: string): Promise<ChangeResult>;
  /**
   * Of a mirror: the tombstones that the token has from now on. Writes nothing where they are those that it has. Keeps those that this
   * process has made in the epoch of the token, and leaves out those whose secret `remove` could not remove.
   */
  record(tombstones: readonly Tombstone[]): Promise<ChangeResult>;
  /** Of a primary: drops the tombstones that every member has seen, and no other that was made meanwhile. */
  forget(seen: readonly Tombstone[]): Promise<ChangeResult>;
};
