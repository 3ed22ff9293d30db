// SPDX-License-Identifier: Apache-2.0
// Puts a diverged copy of a mirror in the place of what the primary holds, so that it counts as the newer one on all members.
import type { StoredMetadata } from "../../agent-api/schema.ts";
import { isStampLabel, nextStamp, type Stamp } from "../storage/stamp.ts";
import type { ChangeResult } from "../store.ts";
import type { MemberStore } from "./member.ts";

/** What the mirror has. */
export type Resolution = {
  /** Null: the mirror has deleted it. */
  readonly data: ReadonlyMap<string, Uint8Array> | null;
  readonly metadata: StoredMetadata;
  readonly stamp: Stamp;
  /** The checksum of what the primary has, as whoever decided saw it; null: nothing. */
  readonly replaces: string | null;
};

/** Without what the mirror's stamp says, which is not that of the primary's write. */
const unstamped = ({ labels = {}, ...rest }: StoredMetadata): StoredMetadata => {
  const others = Object.entries(labels).filter(([name]) => !isStampLabel(name));
  return { ...rest, ...(others.length > 0 && { labels: Object.fromEntries(others) }) };
};

/** Writes it on the token of the primary in `epoch`. No change may be under way meanwhile. */
export const resolveOn = async (
  member: MemberStore,
  epoch: number,
  path: string,
  { data, metadata, stamp, replaces }: Resolution,
): Promise<ChangeResult> => {
  const held = await member.holding();
  if (held.kind === "unavailable") return held;
  const { secrets, tombstones } = held.holding;
  const secret = secrets.find((one) => one.path === path);
  const tombstone = tombstones.find((one) => one.path === path);
  const before = secret?.checksum ?? null;
  if (before !== replaces) return { kind: "precondition", before };
  const replaced = [secret?.stamp, tombstone, stamp].filter((one) => one !== undefined);
  const next = nextStamp(epoch, replaced);
  if (data !== null) return member.take(path, { data, metadata: unstamped(metadata), stamp: next });
  // The deletion is recorded before the secret goes, as any other is.
  const others = tombstones.filter((one) => one.path !== path);
  const recorded = await member.record([...others, { path, ...next }]);
  if (recorded.kind !== "written") return recorded;
  return secret === undefined ? { kind: "deleted", before: null } : member.remove(path);
};
