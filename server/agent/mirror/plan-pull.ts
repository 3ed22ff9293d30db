// SPDX-License-Identifier: Apache-2.0
// Plans what a mirror takes over from the primary: it follows what replaces its copies, and keeps what nobody knows of.
import { relate, type Stamp } from "../storage/stamp.ts";

/** A deletion that every member of the set has to see before it is forgotten. */
export type Tombstone = Stamp & { readonly path: string };

/** Tells one deletion from every other. */
export const tombstoneKey = ({ path, epoch, version }: Tombstone): string => `${epoch} ${version} ${path}`;

/** A secret that a member holds, without its values. */
export type HeldSecret = {
  readonly path: string;
  readonly checksum: string;
  readonly keys: readonly string[];
  readonly bytes: number;
  readonly stamp: Stamp;
};

/** What a token holds of its set. `set`: the set's name; undefined: the token belongs to none. */
export type Holding = {
  readonly set?: string;
  readonly epoch: number;
  readonly secrets: readonly HeldSecret[];
  readonly tombstones: readonly Tombstone[];
  /** True: the token was adopted, and its own secrets are not told apart yet from those of the set. */
  readonly adopted?: true;
};

/** What stands on a mirror beside what the primary has; undefined: nothing, or a deletion. */
export type Divergence = { readonly path: string; readonly here?: HeldSecret; readonly there?: HeldSecret };

export type PullPlan = {
  /** Paths to read from the primary and to write here. */
  readonly copy: readonly string[];
  /** Paths to delete here. */
  readonly remove: readonly string[];
  /** The tombstones that this token has from now on. */
  readonly tombstones: readonly Tombstone[];
  /** Kept as it is, until somebody decides. */
  readonly diverged: readonly Divergence[];
};

/** Why nothing is pulled from a source. */
export type PullRefusal = "other-set" | "older-epoch";

const byPath = <T extends { readonly path: string }>(items: readonly T[]): Map<string, T> =>
  new Map(items.map((item) => [item.path, item]));

/** The state of one path on one token: a secret, a deletion, or nothing known. */
type Side = { readonly secret?: HeldSecret; readonly tombstone?: Tombstone };

/** A tombstone beside a secret which it does not know of is an older one; else the deletion is under way. */
const sideOf = (secret: HeldSecret | undefined, tombstone: Tombstone | undefined): Side => {
  if (secret === undefined) return tombstone === undefined ? {} : { tombstone };
  const isDeleted = tombstone !== undefined && ["ahead", "same"].includes(relate(tombstone, secret.stamp));
  return isDeleted ? { tombstone } : { secret };
};

const stampOfSide = ({ secret, tombstone }: Side): Stamp | undefined => secret?.stamp ?? tombstone;

const isSame = (here: Side, there: Side): boolean =>
  here.secret?.checksum === there.secret?.checksum &&
  (here.secret === undefined) === (there.secret === undefined);

type Step = "keep" | "follow" | "diverged";

/** What becomes of a path. Nothing at the primary follows nothing: a deletion is told by a tombstone alone. */
const stepOf = (here: Side, there: Side): Step => {
  const [mine, theirs] = [stampOfSide(here), stampOfSide(there)];
  if (theirs === undefined) return here.secret === undefined ? "keep" : "diverged";
  if (mine === undefined) return "follow";
  switch (relate(mine, theirs)) {
    case "same":
      return isSame(here, there) ? "keep" : "diverged";
    case "behind":
      return "follow";
    // Both have deleted it: there is nothing that could be lost.
    default:
      return here.secret === undefined && there.secret === undefined ? "follow" : "diverged";
  }
};

/** Why `there` is no source for `here`; undefined: it is one. */
export const refusalOf = (here: Holding, there: Holding): PullRefusal | undefined => {
  if (there.set === undefined || (here.set !== undefined && here.set !== there.set)) return "other-set";
  return there.epoch < here.epoch ? "older-epoch" : undefined;
};

/**
 * Stamps for the secrets that an adopted token held before, where the set has something else at the path: above whatever the set may know
 * of epoch 0, in which each token counted for itself, so that nothing there ever seems to replace them.
 */
export const ownStamps = (here: Holding, there: Holding): { path: string; stamp: Stamp }[] => {
  if (here.adopted !== true) return [];
  const [secrets, tombstones] = [byPath(there.secrets), byPath(there.tombstones)];
  return here.secrets.flatMap(({ path, checksum, stamp }) => {
    const theirs = sideOf(secrets.get(path), tombstones.get(path));
    const other = stampOfSide(theirs);
    if (stamp.epoch !== 0 || other === undefined || theirs.secret?.checksum === checksum) return [];
    if (["ahead", "diverged"].includes(relate(stamp, other))) return [];
    const known = [[other.epoch, other.version] as const, ...other.history]
      .filter(([epoch]) => epoch === 0)
      .map(([, version]) => version);
    return [{ path, stamp: { ...stamp, version: Math.max(stamp.version, ...known) + 1 } }];
  });
};

const divergenceOf = (path: string, mine: Side, theirs: Side): Divergence => ({
  path,
  ...(mine.secret !== undefined && { here: mine.secret }),
  ...(theirs.secret !== undefined && { there: theirs.secret }),
});

const isBlank = ({ secrets, tombstones }: Holding): boolean =>
  secrets.length === 0 && tombstones.length === 0;

/**
 * What a mirror with `here` does to follow the primary with `there`, which `refusalOf` let pass. Paths are sorted. From a token that
 * holds nothing, not even a deletion, nothing is taken: what is here has diverged.
 */
export const planPull = (here: Holding, there: Holding): PullPlan => {
  const [mySecrets, myTombstones] = [byPath(here.secrets), byPath(here.tombstones)];
  const [theirSecrets, theirTombstones] = [byPath(there.secrets), byPath(there.tombstones)];
  const all = [mySecrets, myTombstones, theirSecrets, theirTombstones].flatMap((side) => [...side.keys()]);
  const steps = [...new Set(all)].sort().map((path) => {
    const mine = sideOf(mySecrets.get(path), myTombstones.get(path));
    const theirs = sideOf(theirSecrets.get(path), theirTombstones.get(path));
    return { path, mine, theirs, step: stepOf(mine, theirs) };
  });
  const follows = steps.filter(({ step }) => step === "follow");
  const tombstones = steps.flatMap(({ step, mine, theirs }) => {
    const tombstone = step === "diverged" ? mine.tombstone : theirs.tombstone;
    return tombstone === undefined ? [] : [tombstone];
  });
  return {
    copy: follows.filter(({ theirs }) => theirs.secret !== undefined).map(({ path }) => path),
    remove: follows
      .filter(({ path, theirs }) => theirs.secret === undefined && mySecrets.has(path))
      .map(({ path }) => path),
    tombstones: isBlank(there) ? here.tombstones : tombstones,
    diverged: steps
      .filter(({ step }) => step === "diverged")
      .map(({ path, mine, theirs }) => divergenceOf(path, mine, theirs)),
  };
};
