// SPDX-License-Identifier: Apache-2.0
// Chooses the layout that counts for a path, lists the paths of a token, and finds leftovers of interrupted writes.
import { checksum } from "../../../hooks/checksum.ts";
import type { PathFault } from "../../../hooks/error-codes.ts";
import type { Secret } from "../store.ts";
import { type Settled, settle } from "./journal.ts";
import { decodePacked, highestPackedVersion, supersededPacked } from "./packed.ts";
import { intendedPath, isPerKey, JOURNAL_APPLICATION, owners, shownPath, type TokenObject } from "./path.ts";
import { decodePerKey, type LayoutContent } from "./per-key.ts";

/** What a token says about a path, once all its objects are known. */
export type Decoded =
  | ({ kind: "found" } & Secret)
  | { kind: "absent" }
  | { kind: "invalid"; message: string; code?: PathFault };

/** What an index knows of an object. */
export type ObjectName = Pick<TokenObject, "label" | "application" | "isPublic">;

/** The paths whose reading needs the object; that of a per-key label which no key can have is the one that it was meant for. */
export const pathsOf = ({ label, application }: ObjectName): string[] =>
  isPerKey(application)
    ? (meantFor(label) ?? owners(label).map((owner) => owner.path))
    : owners(label).some((owner) => owner.path === label)
      ? [label]
      : [];

const meantFor = (label: string): string[] | undefined => {
  const path = intendedPath(label);
  return path === undefined ? undefined : [path];
};

/** The path under which a list shows the object; it is shown only where reading that path finds a secret. */
export const listedPathOf = (object: ObjectName): string | undefined =>
  isPerKey(object.application) ? shownPath(object.label) : pathsOf(object)[0];

/**
 * Which of the objects that can't be read would count at `path`, if no journal explains them. Not a journal: it is removed
 * last, when the rest is whole without it. Not a packed object beside a whole packed secret: on a token that removes in two
 * steps it is an old version, or a new one that was undone. Not a key that another object gives.
 */
const unreadThatCount = (
  path: string,
  objects: readonly TokenObject[],
  unread: readonly ObjectName[],
): ObjectName[] => {
  const hasPacked = ["secret", "tombstone"].includes(decodePacked(path, objects).kind);
  const given = new Set(objects.filter(({ application }) => isPerKey(application)).map(({ label }) => label));
  return unread.filter(({ label, application }) => {
    if (application === JOURNAL_APPLICATION) return false;
    return isPerKey(application) ? !given.has(label) : !hasPacked;
  });
};

/**
 * The secret at `path` among `objects`, and what it means that those of `unread` can't be read. Where a write was cut off,
 * its journal says which of them count. The higher version wins between the layouts, packed on a tie; a tombstone is an
 * absent secret. Per-key objects that contradict each other make the path unreadable, as their version is unknown, and keys
 * that are missing do so unless the packed secret is as new. Packed objects of which none is complete make it unreadable
 * where there is no per-key secret: they may be newer than its tombstone.
 */
export const decodeSecret = (
  path: string,
  objects: readonly TokenObject[],
  unread: readonly ObjectName[] = [],
): Decoded => {
  const settled = settle(path, objects, countUnread(unread));
  if (settled.kind === "invalid") return settled;
  if (settled.unexplained > 0) {
    const counting = unreadThatCount(path, settled.objects, unread);
    const [lost] = counting;
    // A journal tells how many count for nothing, and not which.
    if (lost !== undefined && counting.length > countUnread(unread) - settled.unexplained) {
      const message = `${path}: the token does not let the value of ${lost.label} be read (kubectl hsm repair names such objects)`;
      return { kind: "invalid", message };
    }
  }
  const packed = decodePacked(path, settled.objects);
  const perKey = decodePerKey(path, settled.objects);
  const unfit = settled.objects.find(
    ({ label, application }) => isPerKey(application) && intendedPath(label) === path,
  );
  if (unfit !== undefined && !speaksAlone(packed, perKey)) return mislabelled(path, unfit);
  if (perKey.kind === "invalid" && perKey.version === undefined) return perKey;
  if (packed.kind === "invalid" && perKey.kind !== "secret") return packed;
  const winner = versionOf(packed) >= versionOf(perKey) ? packed : perKey;
  if (winner.kind === "invalid") return { kind: "invalid", message: winner.message };
  if (winner.kind !== "secret") return { kind: "absent" };
  return {
    kind: "found",
    data: winner.keys,
    checksum: checksum(winner.keys),
    version: winner.version,
    layout: winner === packed ? "packed" : "per-key",
    metadata: winner.metadata,
  };
};

/** Whether what is packed makes the per-key objects superfluous. */
const speaksAlone = (packed: LayoutContent, perKey: LayoutContent): boolean =>
  ["secret", "tombstone"].includes(packed.kind) && versionOf(packed) >= versionOf(perKey);

/** A key is missing that somebody meant to be there. */
const mislabelled = (path: string, { label }: ObjectName): Decoded => ({
  kind: "invalid",
  code: "LABEL_INVALID",
  message: `${path}: the object ${JSON.stringify(label)} belongs to it and has a label that can't be a key; write the key under a name of letters, digits, ".", "_" and "-", and remove this object (kubectl hsm list --invalid names all)`,
});

/** How many of the objects that can't be read are no journals. */
export const countUnread = (unread: readonly ObjectName[]): number =>
  unread.filter(({ application }) => application !== JOURNAL_APPLICATION).length;

const versionOf = (content: LayoutContent): number =>
  content.kind === "none" ? -1 : (content.version ?? -1);

/** The highest version that any object at `path` tells of, whole or not; 0 where none does. */
export const highestVersion = (path: string, objects: readonly TokenObject[]): number =>
  Math.max(0, highestPackedVersion(path, objects), versionOf(decodePerKey(path, objects)));

/** The objects that count, and beside them, in the order in which they are to go, those that a cut write left over. */
export const withoutLeftovers = <O extends TokenObject>(
  path: string,
  objects: readonly O[],
  unread = 0,
): Settled<O> => {
  const settled = settle(path, objects, unread);
  if (settled.kind === "invalid") return settled;
  const superseded = supersededPacked(path, settled.objects);
  return {
    ...settled,
    objects: settled.objects.filter((object) => !superseded.includes(object)),
    surplus: [...superseded, ...settled.surplus],
  };
};
