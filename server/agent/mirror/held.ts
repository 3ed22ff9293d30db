// SPDX-License-Identifier: Apache-2.0
// Works out what a token holds of its set, from its list and its set record: a secret, its deletion, or neither, at each path.
import { isReservedPath } from "../storage/path.ts";
import { relate } from "../storage/stamp.ts";
import type { ListedSecret, ListResult, Unavailable } from "../store.ts";
import type { HeldSecret, Holding, Tombstone } from "./plan-pull.ts";
import type { RecordRead } from "./record-writer.ts";
import { isUnderDeletion, type KeptTombstone } from "./set-record.ts";

/**
 * `unfinished`: deletions that were recorded, and whose secrets are still there. The holding has them without the secrets. `over`:
 * tombstones of secrets that were written again.
 */
export type Held = {
  kind: "held";
  holding: Holding;
  unfinished: readonly string[];
  over: readonly Tombstone[];
};

const heldSecret = ({
  path,
  checksum,
  keys,
  bytes,
  version,
  epoch = 0,
  history = [],
}: ListedSecret): HeldSecret => ({ path, checksum, keys, bytes, stamp: { epoch, version, history } });

const shownTombstone = ({ path, epoch, version, history }: KeptTombstone): Tombstone => ({
  path,
  epoch,
  version,
  history,
});

/**
 * What `listed` and the record make together. Where a secret stands beside the deletion of another one, the deletion is over: either
 * the secret is newer, or, on a mirror, it is removed by the next plan, which sees it with the primary's deletion.
 */
export const heldBy = (
  listed: Extract<ListResult, { kind: "listed" }>,
  read: RecordRead,
): Held | Unavailable => {
  if (read.kind === "unavailable") return read;
  const all = listed.secrets.filter(({ path }) => !isReservedPath(path)).map(heldSecret);
  if (read.kind === "none") {
    return { kind: "held", holding: { epoch: 0, secrets: all, tombstones: [] }, unfinished: [], over: [] };
  }
  const { set, epoch, tombstones, adopted } = read.record;
  const isDeleted = (secret: HeldSecret): boolean => {
    const tombstone = tombstones.get(secret.path);
    return tombstone !== undefined && isUnderDeletion(tombstone, secret);
  };
  const secrets = all.filter((secret) => !isDeleted(secret));
  const paths = new Set(secrets.map(({ path }) => path));
  return {
    kind: "held",
    holding: {
      set,
      epoch,
      ...(adopted && { adopted }),
      secrets,
      tombstones: [...tombstones.values()].filter(({ path }) => !paths.has(path)).map(shownTombstone),
    },
    unfinished: all.filter(isDeleted).map(({ path }) => path),
    over: secrets.flatMap(({ path, stamp }) => {
      const tombstone = tombstones.get(path);
      return tombstone !== undefined && relate(stamp, tombstone) === "ahead" ? [tombstone] : [];
    }),
  };
};
